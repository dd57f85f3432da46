"""The filter that every read of the record takes: who asks, and what that lets through.

There is no unfiltered read: ``journal`` and ``copy`` have this as a required argument. What it lets through is decided by
``access.rules`` for a person (``session``), by scopes for a program.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from vaka.access.scopes import ALL, FEED, Grant, parse_scopes, within
from vaka.access.session import Session
from vaka.access.settings import CLOSED, Settings
from vaka.access.trail import Trail

FULL = "system/*.*"


@dataclass(slots=True, unsafe_hash=True)  # never changed; frozen, each request would pay four times as much to make one
class AccessFilter:
    """``principal``: who asks, as the log names it. ``scopes``: what a program's token allows (``system/*.*``: everything).
    ``session``: the person, None for a program. ``grants``: a program's SMART scopes. ``provider``: the Organization id whose
    information alone a program may have, None for the region's. ``settings``: the region's points of law. ``at_us``: when it was
    asked for, where that was in a copy's reserve, None: now. ``trail``: what this request touches."""

    principal: str
    scopes: frozenset[str] = field(default_factory=frozenset)
    session: Session | None = None
    grants: tuple[Grant, ...] = ()
    provider: str | None = None
    settings: Settings = CLOSED
    at_us: int | None = None
    trail: Trail = field(default_factory=Trail, compare=False)

    @property
    def full(self) -> bool:
        """Everything, without a rule: the region's own systems."""
        return self.session is None and self.provider is None and FULL in self.scopes

    def anew(self) -> AccessFilter:
        """The same filter with an empty trail, for another request."""
        return AccessFilter(
            self.principal, self.scopes, self.session, self.grants, self.provider, self.settings, self.at_us, Trail()
        )


def system_filter(principal: str) -> AccessFilter:
    """A named filter with full rights, for Vaka's own work (backup, feed, probes, loading)."""
    return AccessFilter(f"vaka:{principal}", frozenset({FULL, FEED}))


def program_filter(principal: str, scope: str, provider: str | None = None) -> AccessFilter:
    """The filter of a program by the text of its scopes. Invalid where one of them cannot be enforced."""
    grants, others = parse_scopes(scope)
    full = frozenset({FULL}) if provider is None and within(Grant("*", ALL), grants) else frozenset()
    return AccessFilter(principal, full | others | {grant.text for grant in grants}, grants=grants, provider=provider)
