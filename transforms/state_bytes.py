"""What the bytes of every state have in common: a kind, a layout, a hash and a checksum.

Belongs here: sealing bytes, refusing those that are no whole state of the kind and layout, and the
hash in their header. Does not belong here: what else a state holds (``state``,
``ledger.ledger_state``).
"""

import struct
import zlib
from typing import Final

from transforms.errors import InvalidInput, UnreadableState

_CHECKSUM: Final = struct.Struct("<I")
_HASH_LENGTH: Final = 64
_ADVICE: Final = "drop it and replay from an older checkpoint or from the first bar"


def seal(body: bytes) -> bytes:
    """Return the bytes of a state with their checksum.

    Parameters
    ----------
    body : bytes
        Magic (kind, and one byte for the layout) and all that follows it.

    Returns
    -------
    bytes
        The same, then CRC-32, little-endian.

    Examples
    --------
    >>> seal(b"KIND1")[:5], len(seal(b"KIND1"))
    (b'KIND1', 9)
    """
    return body + _CHECKSUM.pack(zlib.crc32(body))


def check_sealed(payload: bytes, magic: bytes, header: struct.Struct, name: str) -> None:
    """Refuse bytes that are no whole state of a kind and layout.

    Parameters
    ----------
    payload : bytes
        As returned by `seal`.
    magic : bytes
        Kind, and one byte for the layout.
    header : struct.Struct
        Header, magic included: no state is shorter.
    name : str
        What the state is called in messages.

    Raises
    ------
    UnreadableState
        If the bytes are cut short, changed, or of another kind or layout.

    Examples
    --------
    >>> check_sealed(seal(b"KIND1"), b"KIND1", struct.Struct("<5s"), "model state")
    """
    kind, layout = magic[:-1], magic[-1]
    if not payload.startswith(kind) or len(payload) < header.size + _CHECKSUM.size:
        raise UnreadableState(
            f"{len(payload)} bytes that open with {payload[: len(magic)]!r} are no {name}; "
            f"{_ADVICE}"
        )
    if payload[len(kind)] != layout:
        raise UnreadableState(
            f"the {name} has layout {payload[len(kind)]}, this version reads {layout}; {_ADVICE}"
        )
    body, checksum = payload[: -_CHECKSUM.size], payload[-_CHECKSUM.size :]
    if _CHECKSUM.pack(zlib.crc32(body)) != checksum:
        raise UnreadableState(
            f"the {name} of {len(payload)} bytes is torn or changed (its checksum does not match); "
            f"{_ADVICE}"
        )


def hash_to_bytes(text: str, source: str) -> bytes:
    """Return the hash that a state belongs to, as its header holds it.

    Parameters
    ----------
    text : str
        Hash.
    source : str
        Class and property that make it, for the message.

    Returns
    -------
    bytes
        ASCII, 64 bytes at most.

    Raises
    ------
    InvalidInput
        If it is longer than 64 ASCII characters.

    Examples
    --------
    >>> hash_to_bytes("abc", "EstimatorParameters.params_hash")
    b'abc'
    """
    encoded = text.encode("ascii")
    if len(encoded) > _HASH_LENGTH:
        raise InvalidInput(
            f"{source.rpartition('.')[2]} has {len(encoded)} characters, a state holds at most "
            f"{_HASH_LENGTH}; use {source}"
        )
    return encoded


def hash_from_bytes(encoded: bytes) -> str:
    """Return the hash that a header holds.

    Parameters
    ----------
    encoded : bytes
        As packed from `hash_to_bytes`, padded with zeros.

    Returns
    -------
    str
        Hash.

    Examples
    --------
    >>> hash_from_bytes(b"abc".ljust(64, bytes(1)))
    'abc'
    """
    return encoded.rstrip(b"\0").decode("ascii")
