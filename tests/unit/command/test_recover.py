"""``vaka reserve recover``: what a copy that has gone dark held, with the region's recovery key, and nobody else's."""

from __future__ import annotations

import dataclasses
import secrets
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner, Result
from tests.unit.copy.reserve_entries import entry

from vaka import config, errors
from vaka.command.reserve import command
from vaka.copy import engine, files
from vaka.copy.files import Folder
from vaka.copy.reserve import recovery
from vaka.copy.reserve.draft import Text, ended, saved
from vaka.copy.reserve.drafts import Whose
from vaka.copy.reserve.entry import State
from vaka.copy.reserve.opening import open_reserve
from vaka.copy.reserve.store import ReserveStore, now_us

PASSPHRASE = "correct horse battery staple"
ADA = Whose("Practitioner/ada", "provider")


@pytest.fixture(scope="module")
def halves() -> tuple[bytes, bytes]:
    return recovery.make(PASSPHRASE)


def copy(folder: Path, name: str) -> Folder:
    (folder / "keys").mkdir(parents=True)
    (folder / "keys" / "copy.key").write_text(secrets.token_hex(32))
    about = {"id": name, "name": f"Site {name}", "journal": "http://127.0.0.1:9", "scope": ["region"]}
    (folder / "copy.json").write_bytes(orjson.dumps(about))
    return Folder(folder)


@pytest.fixture
def dark(tmp_path: Path, halves: tuple[bytes, bytes]) -> Folder:
    """A copy with entries, whose own key is gone."""
    folder = copy(tmp_path / "dark", "copy-a")
    assert recovery.keep(folder, files.key(folder), recovery.public_half(halves[1]))
    store = open_reserve(folder)
    store.add(entry("a", key="one"))
    store.add(entry("a", key="two"))
    refused, _ = store.add(entry("b", key="three"))
    store.become(refused.number, State.REFUSED, "no care relation")
    store.add(dataclasses.replace(entry("b", key="never told"), state=State.UNHELD))
    done, _ = store.add(entry("c", key="home"))
    store.become(done.number, State.DONE)
    store.add(dataclasses.replace(entry("d", key="a neighbour's"), origin="copy-c"))
    for number in range(config.DRAFT_EXCHANGE_MAX + 1):
        typed(store, f"draft-{number}", 1, b'"half a note"')
    typed(store, "draft-0", 2, b'"a whole note"')
    store.drafts.change(ADA, "draft-1", "patient", lambda known: ended(known, "form", 1, now_us(), sent=True))
    store.close()
    (folder.keys / "copy.key").unlink()
    (tmp_path / "recovery.p12").write_bytes(halves[0])
    (tmp_path / "passphrase").write_text(PASSPHRASE + "\n")
    return folder


def typed(store: ReserveStore, id_: str, number: int, content: bytes) -> None:
    text = Text("form", number, content, "note", now_us(), "Site copy-a")
    store.drafts.change(ADA, id_, "patient", lambda known: saved(known, text, {}))


def recover(dark: Folder, *arguments: str, key: Path | None = None) -> Result:
    beside = dark.path.parent
    given = ["--key", str(key or beside / "recovery.p12"), "--passphrase-file", str(beside / "passphrase")]
    return CliRunner().invoke(command, ["recover", "--data", str(dark.path), *given, *arguments, "--json"])


def told(answer: Result) -> Any:
    assert answer.exit_code == 0, answer.exception
    return orjson.loads(answer.stdout.splitlines()[-1])


def test_it_lists_what_the_journal_does_not_have(dark: Folder) -> None:
    """Would break: who holds the recovery key would not see what the dead copy kept, or would change it by looking."""
    found = told(recover(dark))
    assert found["counts"] == {"waiting": 3, "refused": 1, "unheld": 1}


def test_another_copy_takes_it_over_once(dark: Folder, tmp_path: Path) -> None:
    """Would break: entries would be lost with the box, or be handed over twice where recovery is done twice."""
    other = copy(tmp_path / "other", "copy-b")
    by = ("--into", str(other.path), "--by", "Ada", "--reason", "copy-a burned")
    for _ in range(2):
        assert told(recover(dark, *by))["counts"] == {"waiting": 3, "refused": 1}
    store = open_reserve(other)
    kept = {one.key: one for one in store.listed(list(State))}
    assert set(kept) == {"one", "two", "three", "a neighbour's"}, "what nobody was told is safe, and what is home, stay"
    assert {one.origin for one in kept.values()} == {"copy-b"}, "it hands them over itself"
    assert kept["three"].state is State.REFUSED
    store.become(kept["one"].number, State.DONE)
    recover(dark, *by)
    assert {one.key for one in store.open()} == {"two", "three", "a neighbour's"}, "what is home by now stays home"
    store.close()


def test_what_people_were_typing_is_joined_at_another_copy(dark: Folder, tmp_path: Path) -> None:
    """Would break S19: a note half written would be gone with the box, one that was sent would be there again, or a later text of
    the living copy would be written over."""
    other = copy(tmp_path / "other", "copy-b")
    store = open_reserve(other)
    for id_, number in (("draft-0", 3), ("draft-1", 1)):
        typed(store, id_, number, b'"of the living copy"')
    assert told(recover(dark))["drafts"] == config.DRAFT_EXCHANGE_MAX
    for _ in range(2):
        recover(dark, "--into", str(other.path), "--by", "Ada", "--reason", "copy-a burned")
        kept = {one.id: [text.content for text in one.texts] for one in store.drafts.of(ADA)}
        assert kept.pop("draft-0") == [b'"of the living copy"'], "it went on from there"
        assert "draft-1" not in kept, "it was sent"
        assert kept == {f"draft-{n}": [b'"half a note"'] for n in range(2, config.DRAFT_EXCHANGE_MAX + 1)}
    heard: set[str] = set()
    while untold := store.drafts.untold("a neighbour"):
        heard |= {one.id for _, one in untold}
        store.drafts.told("a neighbour", untold[-1][0])
    assert heard == {*kept, "draft-0", "draft-1"}, "its neighbours hear of them from it"
    store.close()


def test_a_decision_has_a_name_and_a_reason(dark: Folder, tmp_path: Path) -> None:
    """Would break: nobody would know who opened a reserve, and why (S31)."""
    other = copy(tmp_path / "other", "copy-b")
    assert isinstance(recover(dark, "--into", str(other.path)).exception, errors.Invalid)
    assert not other.reserve.exists()
    told(recover(dark, "--into", str(other.path), "--by", "Ada", "--reason", "copy-a burned"))
    key = recovery.opened(dark, tmp_path / "recovery.p12", PASSPHRASE)
    store = open_reserve(dark, recovered=key)
    assert [change[1:] for change in store.mode_changes()] == [("recovered", "Ada", "copy-a burned")]
    store.close()


def test_it_opens_with_nothing_else(dark: Folder, tmp_path: Path) -> None:
    """Would break: whoever has a disk, or another region's key, could read what people wrote."""
    other, _ = recovery.make(PASSPHRASE)
    (tmp_path / "other.p12").write_bytes(other)
    assert isinstance(recover(dark, key=tmp_path / "other.p12").exception, errors.Setup)
    (tmp_path / "passphrase").write_text("another passphrase altogether")
    assert isinstance(recover(dark).exception, errors.Setup)
    (tmp_path / "other.p12").write_bytes(b"no key at all")
    assert isinstance(recover(dark, key=tmp_path / "other.p12").exception, errors.Setup)


def test_what_was_wrapped_for_one_copy_opens_no_other(
    dark: Folder, tmp_path: Path, halves: tuple[bytes, bytes]
) -> None:
    """Would break: a wrapped key that was moved or altered would be taken for this copy's."""
    private = tmp_path / "recovery.p12"
    wrapped = dark.recovery.read_bytes()
    dark.recovery.write_bytes(wrapped[:-20] + b"0" * 10 + wrapped[-10:])
    with pytest.raises(errors.Setup):
        recovery.opened(dark, private, PASSPHRASE)
    other = copy(tmp_path / "other", "copy-b")
    other.recovery.write_bytes(wrapped)
    with pytest.raises(errors.Setup):
        recovery.opened(other, private, PASSPHRASE)
    other.recovery.unlink()
    with pytest.raises(errors.Setup, match="no recovery key"):
        recovery.opened(other, private, PASSPHRASE)


def test_it_opens_the_reserve_alone(dark: Folder, tmp_path: Path, halves: tuple[bytes, bytes]) -> None:
    """Would break: the recovery key would open the whole record that a copy followed."""
    folder = copy(tmp_path / "whole", "copy-d")
    key = files.key(folder)
    engine.writer(folder.own, key).close()
    open_reserve(folder).close()
    recovery.keep(folder, key, recovery.public_half(halves[1]))
    found = recovery.opened(folder, tmp_path / "recovery.p12", PASSPHRASE)
    open_reserve(folder, recovered=found).close()
    assert found != key
    with pytest.raises((errors.Setup, errors.Fault)):
        engine.reader(folder.own, found)


def test_it_is_wrapped_anew_for_a_new_key_alone(dark: Folder, tmp_path: Path) -> None:
    """Would break: a region that changes its key would keep one that opens nothing, or a copy would write a file each second."""
    folder = copy(tmp_path / "other", "copy-b")
    key = files.key(folder)
    _, public = recovery.make(PASSPHRASE)
    half = recovery.public_half(public)
    assert recovery.keep(folder, key, half)
    assert not recovery.keep(folder, key, half)
    another = recovery.public_half(recovery.make(PASSPHRASE)[1])
    assert recovery.keep(folder, key, another)
    assert recovery.kept_for(folder) == recovery.fingerprint(another)


def test_a_short_passphrase_and_a_wrong_half_are_refused() -> None:
    """Would break: a key under "1234" would open every reserve of a region, or copies would be given what wraps nothing."""
    with pytest.raises(errors.Invalid):
        recovery.make("1234")
    with pytest.raises(errors.Invalid):
        recovery.public_half(b"-----BEGIN NOTHING-----")
