"""own.db: what people did on a copy counts here at once, and is owed until the journal has answered for it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import apsw
import orjson
import pytest

from vaka.copy import private
from vaka.copy.deliver import deliver, deliver_all
from vaka.copy.own import Owed, Own, Spent, now_us


@pytest.fixture
def own(tmp_path: Path) -> Own:
    return Own(apsw.Connection(str(tmp_path / "own.db")))


def spend(own: Own, kind: str, value: str, alive_s: int) -> bool:
    return own.use_later(Spent(kind, value, alive_s)).result(10)


def owe(own: Own, what: str, content: Mapping[str, Any], key: str | None = None) -> None:
    assert own.use_later(None, [Owed(what, content, key)]).result(10)


def opening(id_: str, **changed: Any) -> dict[str, Any]:
    return {
        "opening": id_, "patient": 1, "person": "P", "unit": "u", "provider": "v", "what": 3, "target": None, "session": "s",
        "opened_us": now_us(), "until_us": now_us() + 10**9, **changed,
    }  # fmt: skip


def test_a_thing_is_spent_once_by_whichever_process(own: Own, tmp_path: Path) -> None:
    """Broken: two processes of a copy take one challenge."""
    other = Own(apsw.Connection(str(tmp_path / "own.db")))
    assert [spend(own, "a", "x", 60), spend(other, "a", "x", 60), spend(other, "b", "x", 60)] == [True, False, True]


def test_what_is_used_a_second_time_tells_the_journal_nothing(own: Own) -> None:
    """Broken: an answer of a passkey that is sent again begins a second session in the journal's eyes, or its failure loses the first."""
    assert own.use_later(Spent("challenge", "x", 60), [Owed("signed", {"n": 1}, "k"), Owed("began", {"n": 2})]).result(
        10
    )
    assert not own.use_later(
        Spent("challenge", "x", 60), [Owed("signed", {"n": 3}, "k"), Owed("began", {"n": 4})]
    ).result(10)
    assert [orjson.loads(content)["n"] for _, content in own.owed()] == [1, 2]


def test_what_goes_together_fails_alone(own: Own, tmp_path: Path) -> None:
    """Broken: one person's write that fails, or is given up, takes the others' of the same commit along; or commits are one by one."""
    commits = 0

    def committed() -> bool:
        nonlocal commits
        commits += 1
        return False

    own._db.set_commit_hook(committed)
    with own._lock:  # a commit is under way
        first = own.use_later(Spent("a", "first", 60))
        some = [own.use_later(Spent("a", f"x{n}", 60)) for n in range(50)]
        wrong = own.use_later(None, [Owed("began", {"not JSON": object()})])
        again, left = own.use_later(Spent("a", "x7", 60)), own.use_later(Spent("a", "left", 60))
        assert left.cancel()
    assert first.result(10)
    assert [one.result(10) for one in some] == [True] * 50
    assert again.result(10) is False
    with pytest.raises(TypeError):
        wrong.result(10)
    assert commits <= 2
    assert spend(own, "a", "left", 60)
    other = Own(apsw.Connection(str(tmp_path / "own.db")))
    assert [spend(other, "a", f"x{n}", 60) for n in range(50)] == [False] * 50
    assert other.waiting() == 0


def test_what_is_owed_goes_in_order_and_a_later_one_takes_the_place_of_one_that_waits(own: Own) -> None:
    """Broken: renewals pile up during a stop; or one that is under way takes the newer one with it."""
    owe(own, "began", {"n": 1})
    owe(own, "renewed", {"n": 2}, key="renewed s")
    under_way = [id_ for id_, _ in own.owed()]
    owe(own, "renewed", {"n": 3}, key="renewed s")
    assert [orjson.loads(content)["n"] for _, content in own.owed()] == [1, 3]
    own.settle(under_way, [])
    assert [orjson.loads(content)["n"] for _, content in own.owed()] == [3], "the newer one is still owed"
    assert own.waiting() == 1


def test_a_session_ends_once_and_everywhere_here(own: Own, tmp_path: Path) -> None:
    """Broken: another process of the copy does not hear of a logout, or the journal hears of it twice."""
    other = Own(apsw.Connection(str(tmp_path / "own.db")))
    own.revoke("P", "s1", "logout", "token")
    own.revoke("P", "s1", "logout", "token")
    assert [row[1:3] for row in other.revocations(0)] == [("s1", "P")]
    assert other.waiting() == 1


def test_nothing_is_taken_off_but_on_the_journals_word(own: Own) -> None:
    """Broken: an answer that was lost, or an error, drops what was owed."""
    for number in range(3):
        owe(own, "began", {"n": number})
    seen: list[int] = []

    async def refuses(address: str, body: bytes) -> tuple[int, bytes]:
        seen.append(len(orjson.loads(body)["items"]))
        return 503, b"{}"

    async def away(address: str, body: bytes) -> tuple[int, bytes]:
        raise ConnectionError("away")

    async def takes(address: str, body: bytes) -> tuple[int, bytes]:
        ids = [one["id"] for one in orjson.loads(body)["items"]]
        return 200, orjson.dumps({"done": ids[:1], "refused": [{"id": ids[1], "reason": "no"}] if len(ids) > 1 else []})

    for post in (refuses, away):
        with pytest.raises(OSError, match=r"away|503"):
            asyncio.run(deliver(own, post))
    assert (seen, own.waiting()) == ([3], 3)
    assert asyncio.run(deliver_all(own, takes)) == 3
    assert (own.waiting(), [reason for *_, reason in own.refused()]) == (0, ["no"])


def test_an_opening_is_shown_until_it_is_refused_or_closed(own: Own) -> None:
    """Broken: an opening that was made here is not seen after a new seed, comes back after it was closed or refused."""
    record = apsw.Connection(":memory:")
    private.create(record)
    own.open(opening("a"), "why", "t")
    own.open(opening("a"), "again", "t")
    own.open(opening("b"), "why", "t")
    assert own.waiting() == 2
    private.show(record, own)
    private.show(record, own)
    rows = "SELECT opening, pending, closed_us IS NOT NULL FROM opening ORDER BY 1"
    assert record.execute(rows).fetchall() == [("a", 1, 0), ("b", 1, 0)]
    own.close("a", "t")
    (_, first), (id_, _) = own.owed()[0], own.owed()[1]
    assert orjson.loads(first)["opening"] == "a"
    own.settle([], [(id_, "not this person")])
    private.show(record, own)
    assert record.execute(rows).fetchall() == [("a", 1, 1)]
    again = apsw.Connection(":memory:")  # a new seed
    private.create(again)
    private.show(again, own)
    assert again.execute(rows).fetchall() == [("a", 1, 1)]


def test_what_is_past_its_time_goes_and_what_is_owed_stays(own: Own, monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken: own.db grows for ever, or forgets what the journal does not have yet."""
    spend(own, "a", "x", 1)
    own.open(opening("a", until_us=1), "why", "t")
    owe(own, "began", {})
    own.settle([own.owed()[1][0]], [])
    later = now_us() + 3 * 86_400 * 1_000_000
    monkeypatch.setattr("vaka.copy.own.now_us", lambda: later)
    own.forget()
    assert spend(own, "a", "x", 1)
    assert [one["opening"] for one in own.openings()] == ["a"], "not handed over yet"
    assert own.waiting() == 1
