"""Ids of resources that a keyed request creates: the same wherever it is carried out.

A copy that takes a write into its reserve gives the id at once, and the journal, which may have carried out the first
try without
its answer being heard, must have given the same: both derive it from who asks, the Idempotency-Key and the entry's
place
(traps: In doubt). A UUID of version 8 (RFC 9562, 5.8), 122 bits of BLAKE2b: nobody can aim at an id that is taken.
"""

from __future__ import annotations

import uuid
from hashlib import blake2b


def keyed_id(principal: str, key: str, number: int = 0) -> str:
    """The id of what the request ``key`` of ``principal`` creates; ``number``: of the entry of a bundle."""
    text = "\x1f".join(("created", principal, key, str(number)))
    value = int.from_bytes(blake2b(text.encode(), digest_size=16).digest(), "big")
    value = value & ~(15 << 76) | (8 << 76)
    return str(uuid.UUID(int=value & ~(3 << 62) | (2 << 62)))
