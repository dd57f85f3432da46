"""A sheet as it was given to one reader, to be told again at another moment."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias

from vaka.copy.changes import Stamp
from vaka.copy.sheet import page
from vaka.copy.sheet.identity import Identity
from vaka.copy.sheet.page import Body, Reader
from vaka.copy.sheet.stream import joined, opened

Moment: TypeAlias = tuple[object, ...]


def moment_of(reader: Reader) -> Moment:
    """When a sheet in JSON that was made for another moment still tells what is: within a second, while no older and with nothing
    else to say. Since when its data are known may be told up to a second older than they are."""
    return reader.now_us // 1_000_000, int(reader.age_s), reader.away, reader.certain, reader.notices


@dataclass(slots=True)
class Shown:
    """``id``, ``patient``: as it was asked for, and by key; ``reader``: for whom it was made; ``packed``: as a stream of zlib;
    ``until_us``: when it may be decided otherwise, if nothing changes; ``stamp``, ``seed``, ``aged``, ``refused`` (so many
    reserve entries the journal had refused): what it was made from; no stamp where that is not known; ``card``: it is one, and
    says so (S3)."""

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
    refused: int
    card: bool = False

    def content(self, reader: Reader, moment: Moment) -> bytes:
        """At the ``moment`` of ``reader``: for the reader that this was made for."""
        if self.html:
            own = self.reader
            return self._made(replace(reader, language=own.language, name=own.name, unit=own.unit))
        # The same for all who see this body at this moment.
        form, who = (self.packed, self.aside), self.who
        known = self.body.whole.get(form)
        if known is None or known[0] != moment or (known[1] is not who and known[1] != who):
            known = self.body.whole[form] = (moment, who, self._made(reader))
        return known[2]

    def _made(self, reader: Reader) -> bytes:
        make, body = page.html if self.html else page.json, self.body
        if self.card:
            reader = replace(reader, notices=(page.CARD_ALONE, *reader.notices))
        parts = make(body, self.who, reader, aside=self.aside)
        return joined(parts) if self.packed else opened(parts, body.opened)
