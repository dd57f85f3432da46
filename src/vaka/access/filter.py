"""The filter that every read of the record takes: who asks, and what that lets through.

There is no unfiltered read: ``journal`` and ``copy`` have this as a required argument. So far there are programs with
full rights only; people, assignments and the rules of care-rules.md narrow it later, here and nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class AccessFilter:
    """``principal``: who asks, as the log names it. ``scopes``: what the token allows (``system/*.*``, ``feed``)."""

    principal: str
    scopes: frozenset[str] = field(default_factory=frozenset)


def system_filter(principal: str) -> AccessFilter:
    """A named filter with full rights, for Vaka's own work (backup, feed, probes, loading)."""
    return AccessFilter(f"vaka:{principal}", frozenset({"system/*.*", "feed"}))
