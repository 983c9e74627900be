"""MAVLink 2 signing: a key that the ground and the vehicle share, so that neither listens to anybody else.

https://mavlink.io/en/guide/message_signing.html
"""

import hashlib
import string
import time
from pathlib import Path

from pymavlink.dialects.v20 import ardupilotmega as mavlink

from imagery.core.errors import BadInputError

__all__ = ["KEY_BYTES", "read_key", "sign", "timestamp_now"]

KEY_BYTES = 32
_EPOCH_S = 1_420_070_400  # 2015-01-01, from which signatures count time
_UNSIGNED_IS_FINE = frozenset({109, 166})  # RADIO_STATUS and RADIO: the modem's own, which has no key


def read_key(path: Path) -> bytes:
    """The key in a file: 32 bytes, 64 hexadecimal digits, or a passphrase, whose SHA-256 is the key as for other ground stations.

    Raises BadInputError for a file that is missing or empty.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BadInputError(f"--signing-key {path}: cannot be read: {error.strerror}") from error
    if len(content) == KEY_BYTES:
        return content
    phrase = content.strip()
    if not phrase:
        raise BadInputError(f"--signing-key {path}: is empty; give 32 bytes, 64 hexadecimal digits or a passphrase")
    if len(phrase) == 2 * KEY_BYTES and all(chr(digit) in string.hexdigits for digit in phrase):
        return bytes.fromhex(phrase.decode())
    return hashlib.sha256(phrase).digest()


def sign(node: mavlink.MAVLink, key: bytes) -> None:
    """Let a node sign what it sends, and take only what is signed with the same key (and a modem's own reports)."""
    signing = node.signing
    signing.secret_key, signing.timestamp, signing.sign_outgoing = key, timestamp_now(), True
    signing.allow_unsigned_callback = lambda _, number: number in _UNSIGNED_IS_FINE


def timestamp_now() -> int:
    """The present time as signatures count it: 10 microseconds since 2015."""
    return int((time.time() - _EPOCH_S) * 1e5)
