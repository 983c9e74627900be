"""A real ArduPilot SITL: find the binary, start instances with their own parameters and home, stop them cleanly.

ArduPilot is a separate program (GPL) that the user installs or builds; nothing of it is part of this package.
"""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from imagery.core.errors import BadInputError, LinkError
from sitl.autopilot.place import Place

__all__ = ["ArduPilot", "find_binary"]

BINARY_VARIABLE = "SKYRELIEF_ARDUCOPTER"
_STARTING_S = 30.0
_UNUSED_PORTS = (0, 1, 2, 5, 6)  # 3 and 4 carry the simulated GPS receivers

# What a simulated quadcopter needs to count as calibrated and ready, and to take photos.
_DEFAULTS: dict[str, float] = {
    "FRAME_CLASS": 1,
    "FRAME_TYPE": 0,
    "BATT_MONITOR": 4,
    "CAM1_TYPE": 1,
    "CAM2_TYPE": 0,  # unless both are given, 4.7 takes CAM1_TYPE for one to convert, and resets it
    "FS_THR_ENABLE": 1,
    "MOT_THST_EXPO": 0.65,
    "MOT_THST_HOVER": 0.39,
    "MOT_BAT_VOLT_MIN": 9.6,
    "MOT_BAT_VOLT_MAX": 12.8,
    **{f"RC{n}_{name}": value for n in range(1, 9) for name, value in (("MIN", 1000), ("MAX", 2000), ("TRIM", 1500))},
    **{f"INS_ACC{n}OFFS_{axis}": 0.001 for n in ("", "2") for axis in "XYZ"},
    **{f"INS_ACC{n}SCAL_{axis}": 1.001 for n in ("", "2") for axis in "XYZ"},
    **{f"COMPASS_OFS{n}_{axis}": v for n in ("", "2", "3") for axis, v in (("X", 5), ("Y", 13), ("Z", -18))},
}


def find_binary(path: str | Path | None = None) -> Path | None:
    """The ArduCopter SITL binary: the one given, else SKYRELIEF_ARDUCOPTER's, else `arducopter` on the PATH; None without any.

    Raises BadInputError when the one that is named cannot be run.
    """
    named = path or os.environ.get(BINARY_VARIABLE)
    found = Path(named) if named else Path(which) if (which := shutil.which("arducopter")) else None
    if named and found and not (found.is_file() and os.access(found, os.X_OK)):
        raise BadInputError(
            f"{found}: not a program that can be run; build ArduPilot with: ./waf configure --board sitl; ./waf copter"
        )
    return found


class ArduPilot:
    """One running ArduCopter SITL; use as a context manager, which stops it and removes its files.

    `radio`: connect as through a telemetry radio, where a signing key counts, not through the board's USB port. `udp`: it sends
    to its client's port and boots at once, where with TCP it boots with its first client.

    Attributes: url: what to connect to; speedup.
    """

    def __init__(
        self,
        binary: Path,
        home: Place,
        *,
        heading_deg: float = 0.0,
        speedup: float = 1.0,
        parameters: Mapping[str, float] | None = None,
        instance: int = 0,
        port: int | None = None,
        radio: bool = False,
        udp: bool = False,
    ) -> None:
        self.speedup = speedup
        self._port = port or _free_port()
        self.url = f"{'udpin' if udp else 'tcp'}:127.0.0.1:{self._port}"
        self._binary, self._instance, self._radio, self._udp = binary.resolve(), instance, radio, udp
        self._home = f"{home.lat_deg},{home.lon_deg},{home.alt_amsl_m},{heading_deg}"
        self._parameters = {**_DEFAULTS, **(parameters or {})}
        self._folder: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        """Start with wiped storage. Raises LinkError when it does not come up."""
        self._folder = Path(tempfile.mkdtemp(prefix="arducopter-"))
        defaults = self._folder / "defaults.parm"
        defaults.write_text("".join(f"{name} {value:g}\n" for name, value in self._parameters.items()))
        serial = int(self._radio)
        way = f"udpclient:127.0.0.1:{self._port}" if self._udp else f"tcp:{self._port}:wait"
        unused = [part for n in _UNUSED_PORTS if n != serial for part in (f"--serial{n}", "none")]
        with (self._folder / "output.txt").open("wb") as output:
            self._process = subprocess.Popen(  # noqa: S603 - the program that the user named
                [
                    str(self._binary), "--wipe", "--model", "+", "--speedup", f"{self.speedup:g}", "--home", self._home,
                    "--defaults", str(defaults), "--instance", str(self._instance), "--sysid", str(self._instance + 1),
                    f"--serial{serial}", way, *unused,
                ],
                cwd=self._folder, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            )  # fmt: skip
        deadline = time.monotonic() + _STARTING_S
        while not self._udp and not _listens(self._port):
            if self._process.poll() is not None or time.monotonic() > deadline:
                said = (self._folder / "output.txt").read_text(errors="replace").strip().splitlines()[-1:]
                self.stop()
                raise LinkError(f"{self._binary}: ArduPilot did not start: {' '.join(said) or 'no output'}")
            time.sleep(0.05)
        return self

    def stop(self) -> None:
        """End the process and remove its files; stopping twice is harmless."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(5.0)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


def _listens(port: int) -> bool:
    """Whether somebody listens, without connecting: the vehicle boots with its first client, which must not be this one."""
    try:
        with socket.create_server(("", port)):
            return False
    except OSError:
        return True
