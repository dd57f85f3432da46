"""What sheets and worklists are asked of a copy: the same pages and JSON whoever keeps it.

Invariant: every question takes the asker's filter; what it shows is noted in the filter's trail.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from vaka import config
from vaka.access.filter import AccessFilter

Notice: TypeAlias = str | tuple[str, int]
"""A text, or one with the microseconds of its time."""


@dataclass(frozen=True, slots=True)
class Freshness:
    """How fresh what is shown is. ``as_of_us``: the copy has all until then; ``age_s``: since then, by a clock that never jumps;
    ``away``: the journal does not answer; ``certain``: all that copies have taken shows here (S10, S11); ``notices``: what else
    must be said before all (in English; translated where they are shown), some with a time in place of ``%(at)s``;
    ``out_of_reach``: (name, when it was last reached) of copies whose entries may be missing (S10)."""

    as_of_us: int
    age_s: float = 0.0
    away: bool = False
    certain: bool = True
    notices: tuple[Notice, ...] = ()
    out_of_reach: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Worklists:
    """``unit``: the Organization id; ``lists``: (name, its lines), in the order in which they are shown; ``more``: the lists of
    which not all is here; ``coming_in``: patients of this copy's units who are being taken in, and are shown nowhere yet."""

    unit: str
    name: str
    lists: Sequence[tuple[str, Sequence[Mapping[str, Any]]]]
    more: frozenset[str] = frozenset()
    broken: int = 0
    coming_in: int = 0


class SheetStore(Protocol):
    """A copy as sheets and worklists are read from it."""

    def freshness(self) -> Freshness:
        """Now."""

    async def sheet(self, id_: str, form: str, *, access: AccessFilter, card: bool = False) -> Any:
        """The body (``copy.sheet.reading.Made``) of the sheet of the Patient ``id_`` as ``form``: sv, en or json. ``card``: of
        its critical card alone."""

    def stamp(self, patient: int) -> Any:
        """What is another once something of this patient (by key), or of who may see it, is; None where that is not known."""

    @property
    def aged(self) -> bool:
        """Whether other care providers' information is hidden by age (A8)."""

    def unit_name(self, unit: str) -> str:
        """What an Organization is called."""

    async def worklists(self, unit: str, *, access: AccessFilter, limit: int = config.WORKLIST_MAX) -> Worklists | None:
        """The lists of the unit with this HSA-id or Organization id, each of at most ``limit`` lines; None where there is
        no such unit."""
