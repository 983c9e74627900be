"""What every protocol handler needs: the vehicle, and a way to send to the ground."""

from collections.abc import Callable
from typing import Any

from pymavlink.dialects.v20 import ardupilotmega as mavlink

from sitl.autopilot.copter import Copter

__all__ = ["Peer", "mavlink"]


class Peer:
    """The simulated vehicle as a MAVLink node: packs messages in its own name and hands the bytes to `write`."""

    def __init__(self, copter: Copter, write: Callable[[bytes], None]) -> None:
        self.copter = copter
        self._write = write
        self.mav = mavlink.MAVLink(None, srcSystem=int(copter.parameters["SYSID_THISMAV"]), srcComponent=1)

    def send(self, message: Any) -> None:
        """Pack and send one message."""
        self._write(message.pack(self.mav))
        self.mav.seq = (self.mav.seq + 1) % 256

    def say(self, severity: int, text: str) -> None:
        """Send a STATUSTEXT."""
        self.send(mavlink.MAVLink_statustext_message(severity, text.encode()[:50], 0, 0))

    def is_for_me(self, message: Any) -> bool:
        """Whether a message is addressed to this vehicle: its system id, or a broadcast."""
        return getattr(message, "target_system", 0) in (0, self.mav.srcSystem)
