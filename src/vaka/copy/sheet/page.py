"""One reader's sheet: the fragments that the reader may see, joined, with what depends on now and on the reader. Pure.

The body is what the fragments alone make; it can be kept as long as they stand (and none of its pieces has reached its end). The
rest, a few hundred bytes, is made anew for each answer and stands in the body's gaps.

Invariants: what may be seen is decided fragment by fragment, before anything is joined; with anything withheld a section never
says that there is none (S3); what cannot be shown is counted (S4); date, time and age of the data stand on every page (S2, S7).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import lru_cache
from typing import Any, Final, Literal, TypeAlias

import orjson

from vaka import config
from vaka.copy.sheet import clock, due
from vaka.copy.sheet.aside import NOTHING_ASIDE, Aside
from vaka.copy.sheet.fragment import Piece
from vaka.copy.sheet.identity import Identity
from vaka.copy.sheet.render import PACKAGE, macro
from vaka.copy.sheet.sections import CARD, OPENED_ALONE, SECTIONS, Section
from vaka.copy.sheet.stream import NOTHING, Part, merged, pack, plain, unpacked
from vaka.store.sheet import Notice
from vaka.texts import N_, texts_of

_FRAME: Final = "frame.html"
Gap: TypeAlias = Literal["head", "due", "own"]
EVER: Final = 2**62


@dataclass(frozen=True, slots=True)
class Owned:
    """A fragment that the reader may see, with its ``Facts``. ``label``: the unit's name; ``own``: of the reader's unit;
    ``newest``: the place in the feed of its newest version."""

    unit: str | None
    provider: str | None
    kind: str
    label: str
    pieces: Sequence[Piece]
    broken: Mapping[str, int] = field(default_factory=dict)
    scheduled: Sequence[Sequence[Any]] = ()
    given: Mapping[str, int] = field(default_factory=dict)
    more: Mapping[str, int] = field(default_factory=dict)
    ordered: Sequence[Sequence[Any]] = ()
    answered: Sequence[str] = ()
    own: bool = False
    newest: int = 0


@dataclass(frozen=True, slots=True)
class Hidden:
    """What the reader is not shown. ``withheld``: kinds of which something is withheld, and may be said to be; ``closed``: the
    reader's assignment opens nothing of this patient."""

    withheld: frozenset[str] = frozenset()
    closed: bool = False


BEHIND: Final = N_(
    "This copy lags behind the journal: what is newest may not be shown here. Ask before you give a dose."
)
"""S1: a notice for ``Reader.notices``."""
AGED: Final = N_(
    "What patients have blocked and consented to is not known here now: of other care providers' information that alone is shown"
    " which is opened in an emergency."
)
"""S20: a notice for ``Reader.notices``, of a copy that has not heard its journal for long, or is not whole."""
NOT_SHOWN: Final = N_("Entries made at any copy may be missing here: this copy does not take them in.")
NOT_SHOWN_SINCE: Final = N_(
    "Entries made at any copy after %(at)s may be missing here: this copy does not take them in."
)
"""S10: notices for ``Reader.notices``, of a copy whose follower stands still."""
CARD_ALONE: Final = N_(
    "Too many ask at once: this is the card, with hypersensitivity, alerts and medication alone. What else is recorded is left"
    " out. Ask again in a moment for the whole sheet."
)
"""S3: a notice for ``Reader.notices``, of a card."""


def missing(name: str, since_us: int, language: str) -> str:
    """S10: a notice for ``Reader.notices``: of a copy that is out of reach. ``since_us``: when it was last reached, 0: never."""
    told = texts_of(PACKAGE, language).gettext
    if not since_us:
        return told("Entries made at %(name)s may be missing here: it cannot be reached.") % {"name": name}
    text = told("Entries made at %(name)s after %(at)s may be missing here: it cannot be reached.")
    return text % {"name": name, "at": clock.in_words(since_us, language)}


def refused(what: str, at_us: int, reason: str, language: str) -> str:
    """A notice for ``Reader.notices``: of what the journal has refused, and of why. ``what``: what was written (a type);
    ``at_us``: when."""
    text = texts_of(PACKAGE, language).gettext(
        "The journal has not taken what was written %(at)s (%(what)s): %(reason)s"
    )
    return text % {"at": clock.in_words(at_us, language), "what": what, "reason": reason}


@dataclass(frozen=True, slots=True)
class Reader:
    """Who looks, when, and how fresh what is shown is. ``as_of_us``: the copy has all until then; ``age_s``: since then, by a
    clock that never jumps; ``away``: the journal does not answer; ``certain``: no copy that takes entries is out of reach (S11);
    ``notices``: what else must be said before all; ``behind``: the journal may have what is not shown (S1)."""

    language: str
    now_us: int
    as_of_us: int
    age_s: float = 0.0
    away: bool = False
    certain: bool = True
    name: str = ""
    unit: str = ""
    notices: tuple[Notice, ...] = ()
    behind: bool = False

    def lacking(self) -> Reader:
        """The same, where the journal may have what is not shown (S1)."""
        return replace(self, certain=False, notices=(BEHIND, *self.notices), behind=True)

    def told(self) -> list[str]:
        """The notices in words."""
        return _in_words(self.notices, self.language)

    @property
    def moment_json(self) -> bytes:
        """As of when, and what must be said before all, as the inside of a JSON object."""
        at = (self.as_of_us // 1_000_000, int(self.age_s), self.now_us // 1_000_000)
        return _moment_json(*at, self.away, self.behind, self.notices)

    def moment(self) -> dict[str, Any]:
        """The same."""
        return dict(orjson.loads(b"{%b}" % self.moment_json))


@dataclass(frozen=True, slots=True)
class Body:
    """What fragments make, with gaps. ``scheduled``, ``given``: what ``due`` asks of them; ``until_us``: before this time."""

    parts: Sequence[Part | Gap]
    scheduled: Sequence[Sequence[Sequence[Any]]]
    given: Sequence[Mapping[str, int]]
    certain: bool
    until_us: int
    told: dict[object, Part] = field(default_factory=dict, compare=False)
    """What is due, as it was told last."""
    due: dict[object, bytes] = field(default_factory=dict, compare=False)
    """The same as JSON."""
    whole: dict[object, tuple[tuple[object, ...], Identity, bytes]] = field(default_factory=dict, compare=False)
    """What was made of it last: by form, with the moment that it holds for."""
    _opened: dict[Part, bytes] = field(default_factory=dict, compare=False)

    @property
    def size_bytes(self) -> int:
        return 2 * sum(len(each.packed) for each in self.parts if isinstance(each, Part))

    @property
    def opened(self) -> Mapping[Part, bytes]:
        """Its parts as they are, for who does not take them packed."""
        if not self._opened:
            self._opened.update((each, unpacked(each)) for each in self.parts if isinstance(each, Part))
        return self._opened


def state_of(section: Section, listed: int, none: int, broken: int, *, withheld: bool, unclear: int = 0) -> str:
    """One of ``listed``, ``none-known``, ``not-recorded``, ``withheld`` (S3); of sections without four states ``empty`` for the
    two in the middle. ``broken``, ``unclear``: what cannot be shown here is, or may be, of this section."""
    if listed or broken:
        return "listed"
    if withheld:
        return "withheld"
    if unclear:
        return "listed"
    if not section.four_states:
        return "listed" if none else "empty"
    return "none-known" if none else "not-recorded"


def body(
    language: str, id_: str, owned: Sequence[Owned], hidden: Hidden, now_us: int, *, alone: bool = False, card: bool = False,
    aside: Aside = NOTHING_ASIDE,
) -> Body:  # fmt: skip
    """The body of an HTML page of the Patient ``id_``. ``alone``: in a ward snapshot, which has no more than sheets; ``card``:
    with the sections of ``sections.CARD`` alone; ``aside``: what is missed in it."""
    parts: list[Part | Gap] = [_fixed(language, "head"), "head"]
    if alone:
        opens = hidden.closed or not hidden.withheld.isdisjoint(OPENED_ALONE)
        parts.append(pack(macro(language, _FRAME, "alone", id_, opens).encode()))
    for each in _joined(owned, hidden, now_us, card=card, aside=aside):
        name, unclear = each.section.name, aside.may_be_in(each.section.name)
        values = (name, each.section.title, each.state, each.withheld, hidden.closed, each.broken, unclear)
        parts.append(_fixed(language, "open", *values))
        if name == "doses":
            parts.append("due")
        for whose, pieces in each.groups:
            parts.append(pack(macro(language, _FRAME, "group", name, whose.label).encode()))
            parts.append(_fixed(language, "before", name))
            parts += [piece.part for piece in pieces]
            parts.append(_fixed(language, "after", name))
        if each.more:
            parts.append(_fixed(language, "more", each.more))
        if each.elsewhere:
            told = [(clock.in_words(at, language), what) for _, what, at in each.elsewhere]
            parts.append(pack(macro(language, _FRAME, "elsewhere", told).encode()))
        if name == "contacts":
            parts.append("own")
        parts.append(_fixed(language, "close"))
    parts.append(pack(macro(language, _FRAME, "foot", id_, alone).encode()))
    return _body(parts, owned, hidden, now_us, aside)


def json_body(
    owned: Sequence[Owned], hidden: Hidden, now_us: int, *, card: bool = False, aside: Aside = NOTHING_ASIDE
) -> Body:
    """The same as JSON."""
    parts: list[Part | Gap] = ["head"]
    comma = b',"sections":['
    for each in _joined(owned, hidden, now_us, card=card, aside=aside):
        about = {
            "name": each.section.name, "item": each.section.item, "state": each.state, "withheld": each.withheld,
            "cannotBeShown": each.broken, "more": each.more,
        }  # fmt: skip
        if unclear := aside.may_be_in(each.section.name):
            about["mayBelongHere"] = unclear
        if each.elsewhere:
            about["givenElsewhere"] = [
                {"order": order, "what": what, "at": _instant(at)} for order, what, at in each.elsewhere
            ]
        opened = comma + orjson.dumps(about)[:-1] + b',"owners":['
        for whose, pieces in each.groups:
            told = {"unit": whose.unit, "provider": whose.provider, "name": whose.label}
            parts.append(plain(opened + orjson.dumps(told)[:-1] + b',"lines":['))
            for number, piece in enumerate(pieces):
                parts += [plain(b","), piece.part] if number else [piece.part]
            parts.append(plain(b"]}"))
            opened = b","
        parts.append(plain(b"]}" if each.groups else opened + b"]}"))
        comma = b","
    parts.append(plain(b"]}"))
    return _body(parts, owned, hidden, now_us, aside)


def html(made: Body, who: Identity, reader: Reader, *, aside: int = 0) -> list[Part]:
    """The page as parts of a stream. ``aside``: versions of the patient that could not be interpreted."""
    language = reader.language
    filled: list[Part] = []
    for part in made.parts:
        if isinstance(part, Part):
            filled.append(part)
        elif part == "head":
            filled += _identity(who, reader)
            filled += [plain(macro(language, _FRAME, "notice", told).encode()) for told in _notices(reader, aside)]
        elif part == "due":
            filled.append(_due(made, reader))
        else:
            filled.append(_told(language, "own", who))
    return filled


def json(made: Body, who: Identity, reader: Reader, *, aside: int = 0) -> list[Part]:
    """The same as JSON."""
    certain = b"true" if made.certain and reader.certain else b"false"
    patient, coming = _who(who, _day(reader.now_us // 60_000_000)), _due_json(made, reader)
    head = b'{"patient":%b,%b,"cannotBeShown":%d,"dosesCertain":%b,"due":%b' % (
        patient, reader.moment_json, aside, certain, coming,
    )  # fmt: skip
    return [part if isinstance(part, Part) else plain(head) for part in made.parts]


@lru_cache(maxsize=16)
def _moment_json(as_of_s: int, age_s: int, now_s: int, away: bool, behind: bool, notices: tuple[Notice, ...]) -> bytes:
    """What is the same for all sheets of one moment, without the braces."""
    return orjson.dumps({
        "asOf": _second(as_of_s), "ageSeconds": age_s, "shownAt": _second(now_s), "journalAway": away, "behind": behind,
        "notices": _in_words(notices, "en"),
    })[1:-1]  # fmt: skip


def _in_words(notices: Sequence[Notice], language: str) -> list[str]:
    spoken = texts_of(PACKAGE, language).gettext
    return [
        spoken(one) if isinstance(one, str) else spoken(one[0]) % {"at": clock.in_words(one[1], language)}
        for one in notices
    ]


def _due_json(made: Body, reader: Reader) -> bytes:
    """What is due in this minute."""
    if not made.scheduled:
        return b"[]"
    key = (reader.now_us // 60_000_000, reader.certain)
    if (known := made.due.get(key)) is None:
        lines, _ = doses(made, reader)
        made.due.clear()
        made.due[key] = known = orjson.dumps(
            [{"at": _instant(one.at_us), "what": one.what, "dose": one.dose, "state": one.state} for one in lines]
        )
    return known


def doses(made: Body, reader: Reader) -> tuple[list[due.Due], bool]:
    """What is due and overdue, and whether nothing that bears on it can be hidden."""
    certain = made.certain and reader.certain
    if not made.scheduled:
        return [], certain
    return due.due(made.scheduled, made.given, reader.now_us, certain=certain), certain


@dataclass(frozen=True, slots=True)
class _Section:
    """A section as this reader has it. ``groups``: owner and its pieces; ``more``: how many are left out; ``elsewhere``: (order,
    drug, when it was last given) where another owner than the order's has given it since."""

    section: Section
    state: str
    withheld: bool
    broken: int
    groups: Sequence[tuple[Owned, Sequence[Piece]]]
    more: int = 0
    elsewhere: Sequence[tuple[str, str, int]] = ()


def _joined(owned: Sequence[Owned], hidden: Hidden, now_us: int, *, card: bool, aside: Aside) -> Iterator[_Section]:
    by_section: dict[str, list[tuple[Owned, list[Piece]]]] = {}
    broken: dict[str, int] = {}
    more: dict[str, int] = {}
    answered = {order for whose in owned for order in whose.answered}
    for whose in sorted(owned, key=lambda each: (not each.own, -each.newest, each.label, each.kind)):
        for piece in whose.pieces:
            if piece.until_us is not None and piece.until_us <= now_us:
                continue
            if piece.order in answered:
                continue
            groups = by_section.setdefault(piece.section, [])
            if not groups or groups[-1][0] is not whose:
                groups.append((whose, []))
            if piece.section == "coming" and len(groups[-1][1]) >= config.SHEET_LINES_MAX:
                more["coming"] = more.get("coming", 0) + piece.listed
                continue
            groups[-1][1].append(piece)
        for told, counts in ((broken, whose.broken), (more, whose.more)):
            for name, count in counts.items():
                told[name] = told.get(name, 0) + count
    for section in SECTIONS:
        if card and section.name not in CARD:
            continue
        found: Sequence[tuple[Owned, Sequence[Piece]]] = by_section.get(section.name, ())
        listed = sum(piece.listed for _, pieces in found for piece in pieces)
        none = sum(piece.none for _, pieces in found for piece in pieces)
        withheld = not hidden.withheld.isdisjoint(section.kinds)
        missed = broken.get(section.name, 0) + aside.missed(section.name)
        unclear = aside.may_be_in(section.name)
        state = state_of(section, listed, none, missed, withheld=withheld or hidden.closed, unclear=unclear)
        given = [(each.ordered, each.given) for each in owned] if section.name == "medication" else []
        elsewhere = due.elsewhere(given, now_us)
        yield _Section(section, state, withheld, missed, found, more.get(section.name, 0), elsewhere)


def _body(parts: Iterable[Part | Gap], owned: Sequence[Owned], hidden: Hidden, now_us: int, aside: Aside) -> Body:
    """``parts`` with all between two gaps as one."""
    made: list[Part | Gap] = []
    run: list[Part] = []
    for part in parts:
        if isinstance(part, Part):
            run.append(part)
            continue
        made += [merged(run), part]
        run = []
    made.append(merged(run))
    ends = (piece.until_us for each in owned for piece in each.pieces if piece.until_us is not None)
    return Body(
        tuple(made),
        [each.scheduled for each in owned if each.scheduled],
        [each.given for each in owned if each.given],
        "medication" not in hidden.withheld and not hidden.closed and not aside.may_be_doses,
        min((end for end in ends if end > now_us), default=EVER),
    )


def _notices(reader: Reader, aside: int) -> list[str]:
    told = texts_of(PACKAGE, reader.language).gettext
    made = reader.told()
    if aside == 1:
        made.append(told("1 item cannot be shown."))
    elif aside:
        made.append(told("%(count)s items cannot be shown.") % {"count": aside})
    return made


def _due(made: Body, reader: Reader) -> Part:
    """What is due in this minute."""
    if not made.scheduled:
        return NOTHING
    key = (reader.now_us // 60_000_000, reader.certain, reader.language)
    if (known := made.told.get(key)) is not None:
        return known
    lines, certain = doses(made, reader)
    told = [(clock.in_words(one.at_us, reader.language), one.what, one.dose, str(one.state)) for one in lines]
    made.told.clear()
    made.told[key] = part = plain(macro(reader.language, _FRAME, "due", told, certain).encode()) if told else NOTHING
    return part


def _identity(who: Identity, reader: Reader) -> list[Part]:
    """The head of the page: who it is changes with the patient, how old it is with the minute."""
    language = reader.language
    as_of, shown = clock.in_words(reader.as_of_us, language), clock.in_words(reader.now_us, language)
    old = clock.ago(reader.age_s, language)
    age = who.age(clock.local(reader.now_us).date(), language)
    return [
        _told(language, "begin", who, reader.away),
        _told(language, "times", as_of, old, shown),
        _told(language, "state", as_of, old, shown, reader.away, reader.name, reader.unit),
        _told(language, "identity", who, age),
    ]


@lru_cache(maxsize=4_096)
def _told(language: str, name: str, *values: Any) -> Part:
    return plain(macro(language, _FRAME, name, *values).encode())


@lru_cache(maxsize=8_192)
def _fixed(language: str, name: str, *values: Any) -> Part:
    return pack(macro(language, _FRAME, name, *values).encode())


@lru_cache(maxsize=4_096)
def _who(who: Identity, today: date) -> bytes:
    return orjson.dumps(who.json(today))


@lru_cache(maxsize=4)
def _day(minute: int) -> date:
    """The day in Sweden, by minutes since 1970."""
    return clock.local(minute * 60_000_000).date()


def _instant(at_us: int) -> str:
    return _second(at_us // 1_000_000)


@lru_cache(maxsize=256)
def _second(at_s: int) -> str:
    return clock.local(at_s * 1_000_000).isoformat(timespec="seconds")
