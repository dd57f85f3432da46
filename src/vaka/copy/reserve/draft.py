"""A draft: what a person has typed and neither sent nor thrown away yet (S19; decision 0018). Pure.

A draft holds texts, each of one branch: one form that is open somewhere, which numbers its saves. A save covers the earlier
ones of its branch, and of other branches what it says that it goes on from; sending or throwing away covers a text as well.
``past`` says up to which number each branch is covered.
Invariants: what nobody has covered stands, in whatever order, from wherever and however often it is heard (``joined`` is
commutative, associative and idempotent); two that wrote under one number both stand; what was covered never comes back.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import orjson

from vaka.errors import Invalid

_WIRE_VERSION: Final = 1


@dataclass(frozen=True, slots=True, order=True)
class Text:
    """What was typed, as it was saved. ``number``: of this save within its branch; ``form``: what the page calls its form;
    ``content``: JSON; ``saved_us``: microseconds since 1970 UTC; ``site``: name of the copy."""

    branch: str
    number: int
    content: bytes
    form: str
    saved_us: int
    site: str


@dataclass(frozen=True, slots=True)
class Draft:
    """``person``, ``provider``: whose it is, and for which care provider; ``id``: a UUID, the Idempotency-Key that it is sent
    under; ``patient``: id of the Patient whom it is bound to; ``sent_us``: when something of it was sent; ``changed_us``: when it
    was last saved, sent or thrown away."""

    person: str
    provider: str
    id: str
    patient: str
    texts: tuple[Text, ...] = ()
    past: Mapping[str, int] = field(default_factory=dict)
    sent_us: int | None = None
    changed_us: int = 0

    @property
    def size(self) -> int:
        """Bytes of what was typed."""
        return sum(len(text.content) for text in self.texts)


def joined(one: Draft, other: Draft) -> Draft:
    """What both know of one draft."""
    past = dict(one.past)
    for branch, number in other.past.items():
        past[branch] = max(past.get(branch, 0), number)
    texts = {
        (text.branch, text.number, text.content): text for text in sorted({*one.texts, *other.texts}, reverse=True)
    }
    for branch, number, _ in texts:
        past[branch] = max(past.get(branch, 0), number - 1)
    sent = [at for at in (one.sent_us, other.sent_us) if at is not None]
    return replace(
        one, texts=tuple(sorted(text for text in texts.values() if text.number > past[text.branch])), past=past,
        sent_us=min(sent, default=None), changed_us=max(one.changed_us, other.changed_us),
    )  # fmt: skip


def saved(draft: Draft, text: Text, continues: Mapping[str, int]) -> Draft:
    """``draft`` with ``text``, which goes on from the saves that ``continues`` names."""
    return joined(draft, replace(draft, texts=(text,), past=continues, changed_us=text.saved_us))


def ended(draft: Draft, branch: str, number: int, at_us: int, *, sent: bool) -> Draft:
    """``draft`` once what was typed in ``branch`` up to ``number`` was sent, or thrown away."""
    over = replace(draft, texts=(), past={branch: number}, sent_us=at_us if sent else None, changed_us=at_us)
    return joined(draft, over)


def is_over(draft: Draft, branch: str, number: int) -> bool:
    """Whether a save was covered already."""
    return number <= draft.past.get(branch, 0)


def wire(draft: Draft) -> bytes:
    """The draft as it is kept, and told to another copy: JSON."""
    texts = [
        [one.branch, one.number, base64.b64encode(one.content).decode(), one.form, one.saved_us, one.site]
        for one in draft.texts
    ]
    told: dict[str, Any] = {
        "v": _WIRE_VERSION, "person": draft.person, "provider": draft.provider, "id": draft.id, "patient": draft.patient,
        "texts": texts, "past": dict(draft.past), "sent_us": draft.sent_us, "changed_us": draft.changed_us,
    }  # fmt: skip
    return orjson.dumps(told)


def from_wire(told: bytes) -> Draft:
    """The draft that ``wire`` made. Invalid for what is none."""
    try:
        said = orjson.loads(told)
        if said["v"] != _WIRE_VERSION:
            raise Invalid(f"a draft of form {said['v']} is not known here", help="upgrade this side first")
        texts = tuple(
            Text(str(branch), int(number), base64.b64decode(content, validate=True), str(form), int(at_us), str(site))
            for branch, number, content, form, at_us, site in said["texts"]
        )
        return Draft(
            str(said["person"]), str(said["provider"]), str(said["id"]), str(said["patient"]), texts,
            {str(branch): int(number) for branch, number in said["past"].items()},
            None if said["sent_us"] is None else int(said["sent_us"]), int(said["changed_us"]),
        )  # fmt: skip
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Invalid("this is no draft", why=f"draft: {type(error).__name__}") from error
