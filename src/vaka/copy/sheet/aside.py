"""What of a patient was set aside (S4), as a reader's sheet tells of it: how many, and in which sections they are missed.

Invariant: a section in which one is missed, or may be, never says that there is none (S3).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final, NamedTuple

import orjson

from vaka.copy.sheet.sections import CARD, SHOWN_TYPES, section_of
from vaka.fhir.definitions import RESOURCE_TYPES, type_number

TYPE_NUMBERS: Final = orjson.dumps({name: type_number(name) for name in RESOURCE_TYPES}).decode()
"""For SQL: the number of a type by its name."""
_DOSES: Final = frozenset({"doses", "medication"})


class Aside(NamedTuple):
    """``told``: how many versions could not be interpreted; ``sections``: (section, how many are missed there); ``unclear``: how
    many are of a type that this release does not know: they may belong anywhere."""

    told: int = 0
    sections: tuple[tuple[str, int], ...] = ()
    unclear: int = 0

    def missed(self, section: str) -> int:
        return dict(self.sections).get(section, 0)

    def may_be_in(self, section: str) -> int:
        """Told in the sections in which nobody may take what is not shown for none."""
        return self.unclear if section in CARD else 0

    @property
    def may_be_doses(self) -> bool:
        """Whether one may be an order or a dose that was given (S11)."""
        return self.unclear > 0 or any(name in _DOSES for name, _ in self.sections)


NOTHING_ASIDE: Final = Aside()


def aside_of(types: Iterable[str]) -> Aside:
    """``types``: of what was set aside and the reader is told of."""
    all_ = list(types)
    sections = Counter(section_of(type_) for type_ in all_ if type_ in SHOWN_TYPES)
    unclear = sum(type_ not in RESOURCE_TYPES for type_ in all_)
    return Aside(len(all_), tuple(sorted(sections.items())), unclear)
