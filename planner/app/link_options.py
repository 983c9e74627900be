"""The options that every command with a vehicle at its other end shares."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["Connect", "SigningKey", "System"]

Connect = Annotated[
    str, typer.Option("--connect", help="tcp:HOST:PORT, udp:HOST:PORT, udpout:HOST:PORT or DEVICE,BAUD.")
]
System = Annotated[int | None, typer.Option("--system", help="The vehicle's system id, where several are heard.")]
SigningKey = Annotated[
    Path | None,
    typer.Option("--signing-key", help="Sign all messages: a file with 32 bytes, 64 hex digits or a passphrase."),
]
