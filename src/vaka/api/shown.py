"""A sheet as it was given to one reader, to be told again at another moment."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias

from vaka.copy.changes import Stamp
from vaka.copy.sheet import page
from vaka.copy.sheet.identity import Identity
from vaka.copy.sheet.page import Body, Reader
from vaka.copy.sheet.stream import content

Moment: TypeAlias = tuple[object, ...]


def moment_of(reader: Reader) -> Moment:
    """What of ``reader`` a sheet in JSON tells. The same within a second: no time in it is finer."""
    return (
        reader.now_us // 1_000_000, reader.as_of_us // 1_000_000, int(reader.age_s), reader.away, reader.certain,
        reader.notices,
    )  # fmt: skip


@dataclass(slots=True)
class Shown:
    """``id``, ``patient``: as it was asked for, and by key; ``reader``: for whom it was made; ``packed``: as a stream of zlib;
    ``until_us``: when it may be decided otherwise, if nothing changes; ``stamp``, ``seed``, ``aged``: what it was made from; no
    stamp where that is not known."""

    id: str
    patient: int
    body: Body
    who: Identity
    aside: int
    html: bool
    packed: bool
    reader: Reader
    until_us: int
    stamp: Stamp | None
    seed: int
    aged: bool
    _last: tuple[Moment, bytes] | None = None

    def content(self, reader: Reader, moment: Moment) -> bytes:
        """At the ``moment`` of ``reader``: for the reader that this was made for."""
        if self.html:
            own = self.reader
            return self._made(replace(reader, language=own.language, name=own.name, unit=own.unit))
        # The same for all who see this body at this moment.
        known = self._last
        if known is None or known[0] != moment:
            form = (self.packed, self.aside, self.who)
            known = self.body.whole.get(form)
            if known is None or known[0] != moment:
                known = self.body.whole[form] = (moment, self._made(reader))
            self._last = known
        return known[1]

    def _made(self, reader: Reader) -> bytes:
        make = page.html if self.html else page.json
        return content(make(self.body, self.who, reader, aside=self.aside), packed=self.packed)
