"""The 64-bit keys that search works with, made once and stored alike by journal and copy.

Every equality that a search can ask of a resource is one signed 64-bit key in the resource's ``tokens``:

=====================================  ===================================================================
what                                   key
=====================================  ===================================================================
a resource                             ``resource_key("Patient", "1")``
a reference to it by a parameter       ``reference_key(parameter, "Patient", "1")`` (XOR of both, so that
                                       either is had from the other: chains and ``_has`` need no table)
a reference to another server's URL    ``url_reference_key(parameter, url)``
a token, ``system|code``               ``key(parameter, "sc", system, code)``; no system: ``system=""``
a token by code whatever its system    ``key(parameter, "c", code)``
a token by system alone                ``key(parameter, "s", system)``
``:of-type``                           ``key(parameter, "type", system, code, value)``
``:identifier`` of a reference         ``key(parameter, "id", system, value)`` and ``key(parameter, "idv", value)``
``:text`` of a token or reference      ``key(parameter, "word", word)`` for each folded, stemmed word of text/display
``:exact`` of a string                 ``key(parameter, "exact", value)``
a uri                                  ``key(parameter, "uri", value)``; canonical ``url|version``: both ``url`` and whole
a uri's ``:below``/``:above``          ``key(parameter, "below", prefix)`` for each path prefix
a token pair of a composite            ``key(composite, "pair", part1, part2)``; a part is ``c:CODE`` or ``sc:SYSTEM|CODE``
the parameter has a value (:missing)   ``key(parameter, "present")``
=====================================  ===================================================================

``parameter`` is ``"Observation.code"``: resource type and parameter code, so every key belongs to one type.
Keys are BLAKE2b, 8 bytes; two unlike values share a key once in 2**64, and what
decides a write is verified on the original (docs/decisions/0001-store.md).
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b

_CACHE_ENTRIES = 65_536


def hash64(text: str) -> int:
    """A signed 64-bit hash of ``text`` (UTF-8)."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big", signed=True)


@lru_cache(maxsize=_CACHE_ENTRIES)
def key(parameter: str, kind: str, *parts: str) -> int:
    """The key of one searchable value; ``kind`` is from the table above."""
    return hash64("\x1f".join((parameter, kind, *parts)))


@lru_cache(maxsize=4_096)
def parameter_mask(parameter: str) -> int:
    """What a target's resource key is XORed with to give ``parameter``'s reference key to it."""
    return hash64(f"{parameter}\x1fref")


@lru_cache(maxsize=_CACHE_ENTRIES)
def resource_key(type_: str, id_: str) -> int:
    """The key of the resource ``type_/id_``."""
    return hash64(f"{type_}/{id_}")


def reference_key(parameter: str, type_: str, id_: str) -> int:
    return resource_key(type_, id_) ^ parameter_mask(parameter)


def url_reference_key(parameter: str, url: str) -> int:
    """For an absolute URL of another server, or a canonical that is searched as a reference."""
    return hash64(url) ^ parameter_mask(parameter)
