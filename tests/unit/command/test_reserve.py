"""``vaka reserve`` on the folder of a copy: what it tells, what it does, and what it refuses."""

from __future__ import annotations

import dataclasses
import re
import secrets
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import orjson
import pytest
from click.testing import CliRunner, Result
from tests.unit.copy.reserve_entries import entry

from vaka import errors
from vaka.api.admission import Class, Shared, Step
from vaka.command.reserve import command
from vaka.copy.board import Board, Field, Journal, boottime_ns
from vaka.copy.files import Folder
from vaka.copy.reserve import programs
from vaka.copy.reserve.entry import State
from vaka.copy.reserve.neighbours import Neighbours
from vaka.copy.reserve.opening import open_reserve
from vaka.copy.reserve.peers import Peer
from vaka.copy.reserve.store import ReserveStore
from vaka.store.version import instant


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "copy.key").write_text(secrets.token_hex(32))
    (tmp_path / "keys" / "token").write_text("token")
    about = {"id": "copy-a", "name": "Site A", "journal": "http://127.0.0.1:9", "scope": ["region"]}
    (tmp_path / "copy.json").write_bytes(orjson.dumps(about))
    return tmp_path


@pytest.fixture
def store(folder: Path) -> ReserveStore:
    return open_reserve(Folder(folder))


def run(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(command, [arguments[0], "--data", str(folder), *arguments[1:]])


def told(folder: Path, *arguments: str) -> Any:
    answer = run(folder, *arguments, "--json")
    assert answer.exit_code == 0, answer.exception
    return orjson.loads(answer.output)


def test_list_says_what_is_there_and_what_to_do_next(folder: Path, store: ReserveStore) -> None:
    """Would break: who is called at night would not know what waits, for what, and what to do."""
    visit, _ = store.add(entry("a", type="Encounter", resource="v"))
    store.add(entry("a", refers=("Encounter/v",)))
    store.add(entry("b", state=State.DONE))
    store.become(visit.number, State.REFUSED, "the patient has no care relation to the unit now")
    found = told(folder, "list")
    assert [(one["number"], one["state"], one["waits_for"]) for one in found["entries"]] == [
        (1, "refused", None),
        (2, "waiting", 1),
    ]
    assert found["counts"] == {"refused": 1, "waiting": 1, "done": 1}
    assert "--again" in found["next"]
    shown = run(folder, "list").output
    assert "care relation" in shown
    assert "waits for 1" in shown
    assert [one["state"] for one in told(folder, "list", "--state", "done")["entries"]] == ["done"]


def test_show_tells_no_content_unless_asked(folder: Path, store: ReserveStore) -> None:
    """Would break: health data on a terminal that only wanted to see why."""
    store.add(entry(body=b'{"note":"secret words"}'))
    assert "secret" not in run(folder, "show", "1").output
    assert "secret words" in told(folder, "show", "1", "--content")["content"]
    assert isinstance(run(folder, "show", "7").exception, errors.NotFound)


def test_force_and_leave_are_kept_with_name_and_reason(folder: Path, store: ReserveStore) -> None:
    """Would break S31."""
    assert run(folder, "force", "--reason", "x").exit_code != 0
    assert "forced" in run(folder, "force", "--by", "Ada", "--reason", "upgrade").output
    store.note("recovered", "Eva", "a look")
    mode = told(folder, "list")["mode"]
    assert mode.pop("since") == instant(store.mode_changes()[1][0]), "since it was forced, not since somebody looked"
    assert mode == {"mode": "forced", "by": "Ada", "reason": "upgrade"}
    assert told(folder, "force", "--by", "Cy", "--reason", "still") == told(folder, "list")["mode"]
    assert "leave" in told(folder, "list")["next"]
    assert isinstance(run(folder, "hand-over").exception, errors.Conflict)
    assert told(folder, "leave", "--by", "Bo", "--reason", "done")["mode"] == "returning"
    assert [(mode, by, why) for _, mode, by, why in store.mode_changes()] == [
        ("returning", "Bo", "done"),
        ("recovered", "Eva", "a look"),
        ("forced", "Ada", "upgrade"),
    ]


def test_only_what_was_refused_is_settled_or_tried_again(folder: Path, store: ReserveStore) -> None:
    """Would break: an entry that nobody has would be closed by hand."""
    one, _ = store.add(entry())
    by = ("--by", "Ada", "--reason", "entered anew")
    assert isinstance(run(folder, "settle", "1", *by).exception, errors.Conflict)
    assert isinstance(run(folder, "hand-over", "--again", "1").exception, errors.Invalid)
    store.become(one.number, State.REFUSED, "no")
    settled = told(folder, "settle", "1", *by)
    assert (settled["number"], settled["state"]) == (1, "settled")
    kept = store.get(1)
    assert kept is not None
    assert (kept.state, kept.reason) == (State.SETTLED, "Ada: entered anew")


def test_what_is_held_for_another_copy_is_decided_there(folder: Path, store: ReserveStore) -> None:
    """Would break: an entry would be closed or tried again here, and its own copy would go on showing it as refused, or hand it
    over all the same; and `hand-over` would never end well while another copy has something that waits."""
    theirs, _ = store.add(entry(origin="copy-b", site="Site B", state=State.REFUSED))
    store.add(entry(origin="copy-b", site="Site B"))
    for asked in (("settle", "1", "--by", "Ada", "--reason", "x"), ("hand-over", "--again", "1")):
        error = run(folder, *asked).exception
        assert isinstance(error, errors.Conflict)
        assert "Site B" in error.message
    assert [one["held_for"] for one in told(folder, "list")["entries"]] == ["copy-b", "copy-b"]
    assert told(folder, "hand-over")["entries"] == []
    kept = store.get(theirs.number)
    assert kept is not None
    assert kept.state is State.REFUSED
    store.add(entry())
    assert isinstance(run(folder, "hand-over").exception, errors.Unavailable)


def test_nothing_is_left_out_of_the_list(folder: Path, store: ReserveStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Would break: after a stop of days what lies behind the first page would be nowhere to be seen, nor what it waits for."""
    monkeypatch.setattr(ReserveStore.listed, "__kwdefaults__", {"after": 0, "limit": 2})
    visit, _ = store.add(entry("a", type="Encounter", resource="v"))
    for _ in range(3):
        store.add(entry("b"))
    last, _ = store.add(entry("a", refers=("Encounter/v",)))
    store.become(visit.number, State.REFUSED, "no")
    found = told(folder, "list")["entries"]
    assert [one["number"] for one in found] == [1, 2, 3, 4, 5]
    assert found[-1]["waits_for"] == told(folder, "show", str(last.number))["waits_for"] == 1


class Crowded:
    """A door (``api.admission.door``) at which two wait to log in."""

    gradient = SimpleNamespace(limit=4.0)
    total, urgent_waits, own_step, lag_s = 4, False, Step.SHEET, 0.0
    done = within = shed = queued = [0] * len(Class)
    queues = tuple([None] * (2 if class_ is Class.LOGIN else 0) for class_ in Class)


def test_what_is_not_back_is_said(folder: Path, store: ReserveStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Would break S35: nobody would be told whether all is back, or would be while an entry waits or a copy is silent."""
    Neighbours(Folder(folder)).keep([Peer("Södra", "http://127.0.0.1:9")])
    store.add(entry())
    found = told(folder, "list")
    assert found["all_back"] is False
    assert found["not_back"][0] == "the journal is not heard"
    assert any("1 reserve entries wait" in one for one in found["not_back"])
    assert any("Södra" in one for one in found["not_back"])
    assert "Not all is back: the journal is not heard;" in run(folder, "list").output
    store.become(1, State.DONE)
    Neighbours(Folder(folder)).keep([])
    board = Board(Folder(folder).board, make=True)
    board[Field.HEARD_NS] = boottime_ns()
    board[Field.JOURNAL] = Journal.HEARD
    found = told(folder, "list")
    assert (found["all_back"], found["not_back"]) == (True, [])
    assert "All is back, as far as this copy knows" in run(folder, "list").output
    store.programs.turned_away("laboratory")
    (why,) = told(folder, "list")["not_back"]
    assert re.fullmatch(r"laboratory \(since 20.*\) was turned away, and has not come again", why)
    store.programs.taken("laboratory")
    (why,) = told(folder, "list")["not_back"]
    assert why.endswith("was turned away, and sends what it kept")
    monkeypatch.setattr(programs, "RESTED_US", 0)
    admission = Shared.open(folder / "admission")
    admission.tell(cast("Any", Crowded()))
    assert told(folder, "list")["not_back"] == [
        "more ask than can be answered: people are shown the sheet", "2 people wait to log in"
    ]  # fmt: skip
    admission.close()
    assert told(folder, "list")["all_back"]


def test_a_journal_that_is_away_leaves_all_where_it_is(folder: Path, store: ReserveStore) -> None:
    """Would break: a command would lose what it could not hand over."""
    store.add(entry())
    answer = run(folder, "hand-over")
    assert isinstance(answer.exception, errors.Unavailable)
    assert [one.state for one in store.open()] == [State.WAITING]


def test_the_file_is_encrypted_and_opens_with_its_key_alone(folder: Path, store: ReserveStore) -> None:
    """Would break: a stolen box would show what was written on it."""
    words = b"a very particular sentence of a note"
    for _ in range(30):
        store.add(dataclasses.replace(entry(), body=words, author="eyJ-the-session"))
    store.close()
    for path in folder.glob("reserve.db*"):
        content = path.read_bytes()
        assert not content.startswith(b"SQLite format 3")
        assert words not in content
        assert b"copy-a" not in content
        assert path.stat().st_mode & 0o077 == 0
    (folder / "keys" / "copy.key").write_text(secrets.token_hex(32))
    assert isinstance(run(folder, "list").exception, errors.Setup)
    (folder / "keys" / "copy.key").write_text("nonsense")
    assert isinstance(run(folder, "list").exception, errors.Setup)
    assert isinstance(run(folder / "nowhere", "list").exception, errors.Setup)


def test_the_other_copies_are_read_anew_when_they_change(folder: Path) -> None:
    """Would break: a new copy would never be told, or a broken file would stop the reserve."""
    neighbours = Neighbours(Folder(folder))
    assert (neighbours.peers(), neighbours.single()) == ([], "nobody")
    neighbours.keep([Peer("south", "http://south/")], single="people")
    assert (neighbours.peers(), neighbours.single()) == ([Peer("south", "http://south")], "people")
    (folder / "neighbours.json").write_text("{")
    assert neighbours.peers() == []


def test_people_may_write_on_the_only_copy_until_it_has_a_neighbour_or_the_site_says_otherwise(folder: Path) -> None:
    """Would break: a site with one copy could not write; or, with a second one, would go on acknowledging what stands once."""
    neighbours = Neighbours(Folder(folder))
    neighbours.keep([])
    assert (neighbours.single(), neighbours.alone()) == ("people", True)
    neighbours.keep([Peer("south", "http://south")])
    assert (neighbours.single(), neighbours.alone()) == ("nobody", False)
    neighbours.keep([], single="nobody")
    neighbours.keep([])
    assert (neighbours.single(), neighbours.alone()) == ("nobody", False)
    neighbours.keep([], single="all")
    neighbours.keep([Peer("south", "http://south")])
    assert neighbours.single() == "all"
