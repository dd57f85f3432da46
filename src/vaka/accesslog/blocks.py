"""Blocks: what is written at once, each with a hash over itself and the block before it. Pure.

A block is a head (mark, size of the payload, number, chapter, time), the payload, and the SHA-256 of: the hash before, head,
payload. In tables it stands without its hash, which follows from the chain. Invariants: numbers of a stream go up by one;
a changed, missing, added or moved block changes every hash after it; in the files of a copy, which has a key, no payload can be
read without it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from vaka.accesslog.codec import Contents, contents

MARK: Final = b"VKB1"
HASH_BYTES: Final = 32
HEAD: Final = struct.Struct("<4sIQQQ")
_NEAR: Final = 1 << 24
_NONCE_BYTES: Final = 16
PAYLOAD_MAX_BYTES: Final = 64 * 1024 * 1024
"""Far over what a block is given (``config.LOG_BLOCK_MAX_BYTES``): more is damage."""


@dataclass(frozen=True, slots=True)
class Block:
    """``before``: the hash of the block before it; ``bare``: head and payload."""

    number: int
    chapter: int
    time_us: int
    before: bytes
    hash: bytes
    bare: bytes

    @property
    def payload(self) -> bytes:
        return self.bare[HEAD.size :]

    @property
    def framed(self) -> bytes:
        """As it stands in a file."""
        return self.bare + self.hash

    def contents(self) -> Contents:
        return contents(self.payload)


def genesis(stream: str) -> bytes:
    """The hash before a stream's first block."""
    return sha256(b"vaka access log " + stream.encode()).digest()


def make(number: int, chapter: int, time_us: int, payload: bytes, before: bytes) -> Block:
    bare = HEAD.pack(MARK, len(payload), number, chapter, time_us) + payload
    return Block(number, chapter, time_us, before, sha256(before + bare).digest(), bare)


def sealed(block: Block, key: bytes | None) -> bytes:
    """As it stands in a file whose payloads are encrypted with ``key``, 32 bytes; None: in plain."""
    return (
        block.framed if key is None else block.bare[: HEAD.size] + _cipher(block.payload, key, block.hash) + block.hash
    )


def _cipher(payload: bytes, key: bytes, hash_: bytes) -> bytes:
    """Encrypts, and decrypts: ChaCha20 under a nonce that two blocks have in common only if they are the same. That it was not
    changed, the hash tells."""
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms

    return Cipher(algorithms.ChaCha20(key, hash_[:_NONCE_BYTES]), None).encryptor().update(payload)


def in_file(content: bytes, at: int, before: bytes, key: bytes | None = None) -> Iterator[tuple[Block, int]]:
    """The blocks of ``content`` from ``at`` on, each with where it ends; stops at what is no block, or does not follow. ``key``:
    as of ``sealed``; what was written before there was one is read all the same."""
    number = None
    while (found := _bare(content, at)) is not None:
        end = at + len(found) + HASH_BYTES
        hash_ = content[end - HASH_BYTES : end]
        told = found
        if key is not None and len(hash_) == HASH_BYTES:
            told = found[: HEAD.size] + _cipher(found[HEAD.size :], key, hash_)
        block = _block(told, before)
        if told is not found and hash_ != block.hash:
            block = _block(found, before)
        if hash_ != block.hash or number not in (None, block.number - 1):
            return
        yield block, end
        number, at, before = block.number, end, block.hash


def later_head(content: bytes, at: int, number: int) -> bool:
    """Whether the head of a block after ``number`` stands in ``content`` past ``at``. No text of a record can look like one:
    it holds no zeros."""
    while (at := content.find(MARK, at + 1)) >= 0:
        if at + HEAD.size <= len(content) and number < HEAD.unpack_from(content, at)[2] < number + _NEAR:
            return True
    return False


def in_run(content: bytes, before: bytes) -> Iterator[Block]:
    """The blocks of a run as a table holds it. ValueError where there is something else."""
    at = 0
    while at < len(content):
        found = _bare(content, at)
        if found is None:
            raise ValueError(f"no block at byte {at}")
        block = _block(found, before)
        yield block
        at, before = at + len(found), block.hash


def _bare(content: bytes, at: int) -> bytes | None:
    if at + HEAD.size > len(content):
        return None
    mark, size, *_ = HEAD.unpack_from(content, at)
    if mark != MARK or size > PAYLOAD_MAX_BYTES or at + HEAD.size + size > len(content):
        return None
    return content[at : at + HEAD.size + size]


def _block(bare: bytes, before: bytes) -> Block:
    _, _, number, chapter, time_us = HEAD.unpack_from(bare)
    return Block(number, chapter, time_us, before, sha256(before + bare).digest(), bare)
