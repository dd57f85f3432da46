"""The folder of a copy: keys, and which seed is in use."""

from __future__ import annotations

from pathlib import Path

import pytest

from vaka.copy import files
from vaka.copy.files import Folder
from vaka.errors import Setup


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    made = Folder(tmp_path / "copy")
    made.establish("http://localhost:1", name="north")
    return made


def test_the_first_start_makes_the_key_for_its_owner_alone(folder: Folder) -> None:
    """Broken: others on the machine read the key, or every start has another one."""
    key = files.key(folder)
    assert len(key) == 32
    assert files.key(folder) == key
    assert (folder.keys / "copy.key").stat().st_mode & 0o777 == 0o600


def test_a_key_that_went_missing_is_not_made_again(folder: Folder) -> None:
    """Broken: a new key is made, and the reserve can never be read again."""
    files.key(folder)
    (folder.keys / "copy.key").unlink()
    folder.reserve.touch()
    with pytest.raises(Setup, match="is missing"):
        files.key(folder)


@pytest.mark.parametrize("content", [b"", b"abc", b"\xff\xfe", b"00" * 31])
def test_a_file_that_is_no_key_is_told(folder: Folder, content: bytes) -> None:
    """Broken: a wrong file becomes a key."""
    path = folder.path / "given"
    path.write_bytes(content)
    with pytest.raises(Setup, match="is not a key"):
        files.key(folder, path)


def test_systemd_hands_the_key_over(folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken: a key that is held by the TPM is not used."""
    (tmp_path / "copy.key").write_text("ab" * 32)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert files.key(folder) == b"\xab" * 32


def test_a_wrong_key_is_told_before_any_file_is_opened(folder: Folder, tmp_path: Path) -> None:
    """Broken: files are taken for damaged and seeded again because somebody gave another key."""
    files.key(folder)
    (tmp_path / "other").write_text("ab" * 32)
    with pytest.raises(Setup, match="not the key"):
        files.key(folder, tmp_path / "other")


def test_a_copy_keeps_its_id(folder: Folder) -> None:
    """Broken: after a change of address the region knows another copy."""
    before = folder.about()
    after = folder.establish("http://localhost:2")
    assert (after.id, after.name, after.journal) == (before.id, "north", "http://localhost:2")


def test_a_number_is_never_used_twice(folder: Folder) -> None:
    """Broken: a reader takes a new file for the one that it holds open."""
    assert folder.current() is None
    first = folder.make_seed()
    folder.use(first)
    second = folder.make_seed()
    folder.use(second)
    assert folder.current() is None, "there is no record in it"
    folder.record(second).touch()
    folder.clear()
    assert (first, second, folder.current(), folder.numbers()) == (1, 2, 2, [2])
    folder.set_aside(2)
    assert folder.make_seed() == 3
    assert [entry.name for entry in sorted(folder.seeds.iterdir())] == ["0002-damaged", "0003"]
