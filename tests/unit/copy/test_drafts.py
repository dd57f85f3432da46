"""Drafts: what copies know of one is joined without losing a text, and is kept, told and forgotten."""

from __future__ import annotations

import time
from pathlib import Path

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaka import config
from vaka.copy.reserve.draft import Draft, Text, ended, from_wire, is_over, joined, saved, wire
from vaka.copy.reserve.drafts import Whose
from vaka.copy.reserve.store import ReserveStore
from vaka.errors import Invalid

EMPTY = Draft("person:P", "v1", "d", "p1")
BRANCHES = st.sampled_from("abc")
NUMBERS = st.integers(1, 4)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["save", "send", "throw"]), st.integers(0, 2), BRANCHES, NUMBERS, st.sampled_from([b'"x"', b'"y"']),
        st.dictionaries(BRANCHES, NUMBERS, max_size=2),
    ),
    max_size=12,
)  # fmt: skip


def text(branch: str, number: int, content: bytes = b'"x"', at: int = 1) -> Text:
    return Text(branch, number, content, "note", at, "site")


def copies_of(steps: list[tuple[str, int, str, int, bytes, dict[str, int]]]) -> list[Draft]:
    """What three copies know that have heard nothing of each other."""
    copies = [EMPTY, EMPTY, EMPTY]
    for at, (what, where, branch, number, content, continues) in enumerate(steps, 1):
        known = copies[where]
        if what == "save" and not is_over(known, branch, number):
            copies[where] = saved(known, text(branch, number, content, at), continues)
        elif what != "save":
            copies[where] = ended(known, branch, number, at, sent=what == "send")
    return copies


@given(STEPS)
def test_copies_end_with_the_same_in_whatever_order_they_hear(
    steps: list[tuple[str, int, str, int, bytes, dict[str, int]]],
) -> None:
    """Would break: two copies would show different drafts for ever, or one that was sent would come back."""
    one, two, three = copies_of(steps)
    assert joined(one, two) == joined(two, one)
    assert joined(joined(one, two), three) == joined(one, joined(two, three))
    whole = joined(joined(one, two), three)
    assert joined(whole, one) == whole == joined(whole, whole)
    assert from_wire(wire(whole)) == whole


@given(STEPS)
def test_no_text_is_lost_that_nobody_has_covered(steps: list[tuple[str, int, str, int, bytes, dict[str, int]]]) -> None:
    """Would break S19: what was typed on one copy would go because something else was typed on another."""
    whole = EMPTY
    for one in copies_of(steps):
        whole = joined(whole, one)
    covered: dict[str, int] = {}
    for known in copies_of(steps):
        for branch, number in known.past.items():
            covered[branch] = max(covered.get(branch, 0), number)
        for each in known.texts:  # a later save of one form covers the earlier
            covered[each.branch] = max(covered.get(each.branch, 0), each.number - 1)
    typed = {(t.branch, t.number, t.content) for known in copies_of(steps) for t in known.texts}
    kept = {(t.branch, t.number, t.content) for t in whole.texts}
    assert kept == {one for one in typed if one[1] > covered.get(one[0], 0)}


def test_two_that_go_on_from_one_text_both_stand() -> None:
    """Would break S19: a nurse types on in one room, and what was typed in the other is gone."""
    first = saved(EMPTY, text("a", 1), {})
    here, there = saved(first, text("a", 2, b'"here"'), {}), saved(first, text("b", 1, b'"there"'), {"a": 1})
    assert {one.content for one in joined(here, there).texts} == {b'"here"', b'"there"'}
    assert [one.content for one in saved(joined(here, there), text("b", 2, b'"both"'), {"a": 2}).texts] == [b'"both"']


@pytest.mark.parametrize("told", [b"{}", b"[]", b'{"v": 2}', b"x", b'{"v": 1, "texts": [[1]]}'])
def test_what_is_no_draft_is_refused(told: bytes) -> None:
    """Would break: a copy would fall over what another sends."""
    with pytest.raises(Invalid):
        from_wire(told)


def store(path: Path) -> ReserveStore:
    return ReserveStore(apsw.Connection(str(path)), path.stem)


WHOSE = Whose("person:P", "v1")


def save(one: ReserveStore, branch: str, number: int, content: bytes = b'"x"', at: int | None = None) -> Draft:
    at = time.time_ns() // 1_000 if at is None else at
    return one.drafts.change(WHOSE, "d", "p1", lambda known: saved(known, text(branch, number, content, at), {}))


def exchange(one: ReserveStore, other: ReserveStore) -> int:
    """Tells ``other`` what it was not told; how many drafts."""
    untold = one.drafts.untold(other.origin)
    for revision, draft in untold:
        other.drafts.hold(from_wire(wire(draft)))
        one.drafts.told(other.origin, revision)
    return len(untold)


def test_a_draft_is_told_once_and_on_to_others(tmp_path: Path) -> None:
    """Would break: a third copy would not have it; or copies would tell each other the same for ever."""
    a, b, c = (store(tmp_path / f"{name}.db") for name in "abc")
    save(a, "x", 1)
    assert (exchange(a, b), exchange(b, c)) == (1, 1)
    assert c.drafts.of(WHOSE) == a.drafts.of(WHOSE) != []
    save(c, "y", 1, b'"z"')
    assert (exchange(c, b), exchange(b, a)) == (1, 1)
    assert a.drafts.of(WHOSE) == b.drafts.of(WHOSE) == c.drafts.of(WHOSE)
    for one, other in [(a, b), (b, a), (b, c), (c, b)]:  # what came back is known already
        exchange(one, other)
    assert [exchange(one, other) for one, other in [(a, b), (b, a), (b, c), (c, b)]] == [0] * 4
    a.drafts.change(WHOSE, "d", "p1", lambda known: ended(known, "x", 1, 1, sent=True))
    exchange(a, b)
    assert [one.branch for one in b.drafts.of(WHOSE)[0].texts] == ["y"]


def test_a_draft_is_its_persons_and_its_providers_alone(tmp_path: Path) -> None:
    """Would break: a colleague, or oneself at another care provider, would read it."""
    one = store(tmp_path / "a.db")
    save(one, "x", 1)
    assert one.drafts.of(WHOSE) and one.drafts.get(WHOSE, "d") and one.drafts.texts(WHOSE) == 1
    for other in (Whose("person:Q", "v1"), Whose("person:P", "v2")):
        assert not one.drafts.of(other) and not one.drafts.get(other, "d") and not one.drafts.texts(other)


def test_what_nobody_touches_goes_everywhere_alike(tmp_path: Path) -> None:
    """Would break: drafts would be kept for ever; or one that went would come back from a neighbour."""
    a, b = store(tmp_path / "a.db"), store(tmp_path / "b.db")
    now = time.time_ns() // 1_000
    old = now - (config.DRAFT_KEEP_DAYS * 86_400 + 60) * 1_000_000
    save(a, "x", 1, at=old)
    exchange(a, b)
    assert not b.drafts.of(WHOSE), "too old to be taken"
    a.forget()
    assert not a.drafts.of(WHOSE) and not a.drafts.get(WHOSE, "d")
    save(a, "x", 1, at=old + 120_000_000)
    a.forget()
    assert a.drafts.of(WHOSE)
    a.drafts.change(WHOSE, "d", "p1", lambda known: ended(known, "x", 1, now, sent=False))
    a.forget()
    assert a.drafts.get(WHOSE, "d") and not a.drafts.of(WHOSE), "known as over for a while"


def test_what_was_saved_is_read_by_whoever_opens_the_file_next(tmp_path: Path) -> None:
    """Would break S19: what was told as saved would be in the memory of one process alone."""
    one = store(tmp_path / "a.db")
    save(one, "x", 1, b'"kept"')
    again = store(tmp_path / "a.db")
    assert [each.content for each in again.drafts.of(WHOSE)[0].texts] == [b'"kept"']
