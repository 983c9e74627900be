"""MAVLink 2 signing on the vehicle's side: a key set over the link, kept through reboots."""

from typing import Any

from pymavlink.dialects.v20.ardupilotmega import MAVLinkSigning

from sitl.autopilot.copter import Copter

__all__ = ["set_up_signing"]

_AHEAD = 60 * 100_000  # a minute in 10 microseconds: no recorded message of before the key may be sent again
_ALWAYS_TAKEN = frozenset({109, 166})  # a modem's own reports, which has no key
_WARNING = 4


def set_up_signing(copter: Copter, signing: MAVLinkSigning, message: Any, *, radio: bool) -> None:
    """Take a SETUP_SIGNING. On a `radio` port only signed messages are heard from then on; a board's USB port takes all."""
    if copter.armed:
        copter.say(_WARNING, "ERROR: Won't setup signing when armed")
        return
    key = bytes(message.secret_key)
    if not any(key) and not message.initial_timestamp:
        signing.secret_key, signing.sign_outgoing = None, False
        return
    signing.secret_key, signing.sign_outgoing = key, True
    signing.timestamp = message.initial_timestamp + _AHEAD
    signing.allow_unsigned_callback = lambda _, number: not radio or number in _ALWAYS_TAKEN
