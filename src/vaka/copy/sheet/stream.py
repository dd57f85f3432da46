"""Pieces that are compressed once and joined as often as they are asked for: one zlib stream, put together from parts.

Each part is raw DEFLATE that ends on a byte and refers to nothing before it (a full flush), with the length and Adler-32 of
what it holds; sums of parts combine without looking at the bytes again. So an answer is two bytes, the parts, an empty last
block and one sum: ``Content-Encoding: deflate``, which is zlib's format (RFC 9110, 8.4.1.2; RFC 1950).

Weighed and tried: gzip members one after the other, which RFC 1952 allows, are read to the end of the first one by Chromium
156, curl 7.88 and httpx; zstd frames are read whole by all three, but not by every browser in use. One stream is read by all.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

_BASE: Final = 65521
_HEAD: Final = b"\x78\x9c"
_LAST: Final = b"\x03\x00"
_STORED_MAX: Final = 65535
_SMALL: Final = 2_000
"""What is no longer is stored: compressing it anew for each reader costs more than the bytes."""


class Part(NamedTuple):
    """``packed``: raw DEFLATE; ``size`` and ``adler``: of what it holds."""

    packed: bytes
    size: int
    adler: int


NOTHING: Final = Part(b"", 0, 1)


def pack(content: bytes, level: int = 9) -> Part:
    """``content`` compressed, for what is kept."""
    if not content:
        return NOTHING
    packer = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS, 9)
    return Part(packer.compress(content) + packer.flush(zlib.Z_FULL_FLUSH), len(content), zlib.adler32(content))


def plain(content: bytes) -> Part:
    """``content`` for one answer: short ones as they are."""
    if len(content) > _SMALL:
        return pack(content, 1)
    return Part(_stored(content), len(content), zlib.adler32(content)) if content else NOTHING


def merged(parts: Iterable[Part]) -> Part:
    """One part that holds what all ``parts`` hold."""
    packed, size, adler = _summed(parts)
    return Part(b"".join(packed), size, adler)


def _summed(parts: Iterable[Part]) -> tuple[list[bytes], int, int]:
    packed = []
    low, high, whole = 1, 0, 0
    for part, size, adler in parts:
        if size:
            packed.append(part)
            whole += size
            # What the sum of this part would have been with all before it (RFC 1950, 8.2): s1 begins at low, not at 1.
            high = (high + (adler >> 16) + size * (low - 1)) % _BASE
            low = (low + (adler & 0xFFFF) - 1) % _BASE
    return packed, whole, high << 16 | low


def joined(parts: Iterable[Part]) -> bytes:
    """The stream that holds what all ``parts`` hold."""
    packed, _, adler = _summed(parts)
    return b"".join((_HEAD, *packed, _LAST, adler.to_bytes(4, "big")))


def content(parts: Iterable[Part], *, packed: bool) -> bytes:
    """What all ``parts`` hold, ``packed`` as a stream or as it is."""
    return joined(parts) if packed else opened(parts)


def opened(parts: Iterable[Part], known: Mapping[Part, bytes] = MappingProxyType({})) -> bytes:
    """What all ``parts`` hold, as it is. ``known``: what some of them hold."""
    return b"".join([held if (held := known.get(part)) is not None else unpacked(part) for part in parts])


def unpacked(part: Part) -> bytes:
    """What ``part`` holds."""
    return zlib.decompressobj(-zlib.MAX_WBITS).decompress(part.packed) if part.size else b""


def _stored(content: bytes) -> bytes:
    size = len(content)
    assert size <= _STORED_MAX
    return b"\x00" + size.to_bytes(2, "little") + (size ^ 0xFFFF).to_bytes(2, "little") + content
