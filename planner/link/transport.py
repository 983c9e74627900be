"""Bytes to and from a vehicle: TCP, UDP in both directions, serial. Each can be opened again after a break."""

import os
import select
import socket
import time
from typing import Any, Protocol

from imagery.core.errors import BadInputError, LinkError

__all__ = ["Transport", "open_transport"]

_DEFAULT_BAUD = 57600
_SILENCE_S = 10.0  # a vehicle sends a heartbeat every second: a connection without any is dead, a sender gone
_EXAMPLES = "tcp:192.168.1.10:5760, udp:0.0.0.0:14550, udpout:10.0.0.1:14550, /dev/ttyUSB0,57600 or COM3,57600"


class Transport(Protocol):
    """A way to a vehicle. `read` and `write` raise OSError when the way is broken; `reopen` tries again."""

    def read(self, wait_s: float) -> bytes:
        """Bytes that came within a time; empty when none did."""
        ...

    def write(self, data: bytes) -> None:
        """Send bytes."""
        ...

    def reopen(self) -> None:
        """Open again; raises OSError when that fails."""
        ...

    def close(self) -> None:
        """Close."""
        ...


def open_transport(url: str, timeout_s: float = 5.0) -> Transport:
    """Open what a `--connect` URL names: tcp:HOST:PORT, udp: or udpin:HOST:PORT (listen), udpout:HOST:PORT (send), DEVICE[,BAUD].

    Raises BadInputError for a URL that makes no sense and LinkError when nothing is there.
    """
    scheme, _, rest = url.partition(":")
    try:
        if scheme == "tcp":
            return _Tcp(*_host_port(url, rest), timeout_s)
        if scheme in ("udp", "udpin"):
            return _Udp(*_host_port(url, rest), listen=True)
        if scheme == "udpout":
            return _Udp(*_host_port(url, rest), listen=False)
        if scheme == "serial" or _looks_like_device(url):
            return _Serial(rest if scheme == "serial" else url)
    except OSError as error:
        raise LinkError(f"{url}: {_reason(error)}") from error
    raise BadInputError(f"--connect {url}: not a connection; examples: {_EXAMPLES}")


def _reason(error: OSError) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "nothing answers there (connection refused): is the vehicle or simulator running, and the port right?"
    if isinstance(error, TimeoutError):
        return "no answer in time: is the vehicle switched on and in this network?"
    if isinstance(error, socket.gaierror):
        return "no such host: check the name or give the address in numbers"
    if error.errno == 98:
        return "the port is in use by another program (another ground station?): close it or use another port"
    return f"cannot be opened: {error.strerror or error}"


def _looks_like_device(url: str) -> bool:
    name = url.split(",", maxsplit=1)[0]
    return name.startswith("/dev/") or (name.upper().startswith("COM") and name[3:].isdigit())


def _host_port(url: str, rest: str) -> tuple[str, int]:
    host, _, port = rest.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise BadInputError(f"--connect {url}: needs a host and a port; examples: {_EXAMPLES}")
    return host.strip("[]"), int(port)


class _Tcp:
    def __init__(self, host: str, port: int, timeout_s: float) -> None:
        self._address, self._timeout_s = (host, port), timeout_s
        self._socket = self._connect()

    def _connect(self) -> socket.socket:
        connected = socket.create_connection(self._address, self._timeout_s)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connected.settimeout(10.0)
        self._heard: float | None = None
        return connected

    def read(self, wait_s: float) -> bytes:
        if not select.select([self._socket], [], [], wait_s)[0]:
            if self._heard is not None and time.monotonic() - self._heard > _SILENCE_S:
                # With its cable pulled a connection does not end by itself.
                raise TimeoutError(f"nothing came for {_SILENCE_S:.0f} s")
            return b""
        data = self._socket.recv(65536)
        if not data:
            raise ConnectionResetError("the vehicle closed the connection")
        self._heard = time.monotonic()
        return data

    def write(self, data: bytes) -> None:
        self._socket.sendall(data)

    def reopen(self) -> None:
        self._socket.close()
        self._socket = self._connect()

    def close(self) -> None:
        self._socket.close()


class _Udp:
    """Listening, it answers everybody who spoke lately (several vehicles may); sending, it speaks first to a known address."""

    def __init__(self, host: str, port: int, listen: bool) -> None:
        self._listen, self._address = listen, (host, port)
        self._open()

    def _open(self) -> None:
        family = socket.getaddrinfo(*self._address, type=socket.SOCK_DGRAM)[0]
        self._socket = socket.socket(family[0], socket.SOCK_DGRAM)
        self._to: dict[Any, float] = {}  # when each was heard
        if self._listen:
            if os.name != "nt":
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._socket.bind(family[4])
        else:
            self._to[family[4]] = float("inf")

    def read(self, wait_s: float) -> bytes:
        if not select.select([self._socket], [], [], wait_s)[0]:
            return b""
        try:
            data, sender = self._socket.recvfrom(65535)
        except ConnectionError:  # an ICMP "port unreachable" of an earlier packet: nobody listens yet
            return b""
        if self._listen:
            now = time.monotonic()
            self._to[sender] = now
            if len(self._to) > 1:  # a vehicle that comes back may do so from another port
                self._to = {to: heard for to, heard in self._to.items() if now - heard < _SILENCE_S}
        return data

    def write(self, data: bytes) -> None:
        for to in tuple(self._to):
            try:
                self._socket.sendto(data, to)
            except ConnectionError:
                continue  # as above

    def reopen(self) -> None:
        self._socket.close()
        self._open()

    def close(self) -> None:
        self._socket.close()


class _Serial:
    def __init__(self, text: str) -> None:
        try:
            import serial
        except ImportError:
            raise LinkError(f"{text}: serial links need the package pyserial: pip install pyserial") from None
        device, _, baud = text.partition(",")
        if baud and not baud.isdigit():
            raise BadInputError(f"--connect {text}: the baud rate is not a number; example: /dev/ttyUSB0,57600")
        self._serial_for = lambda: serial.Serial(device, int(baud or _DEFAULT_BAUD), timeout=0, write_timeout=5)
        self._port = self._serial_for()

    def read(self, wait_s: float) -> bytes:
        self._port.timeout = wait_s
        first: bytes = self._port.read(1)
        return first + self._port.read(self._port.in_waiting) if first else b""

    def write(self, data: bytes) -> None:
        self._port.write(data)

    def reopen(self) -> None:
        self._port.close()
        self._port = self._serial_for()

    def close(self) -> None:
        self._port.close()
