"""Freezing a copy by hand."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner

from vaka.command.copy import command
from vaka.copy.frozen import freeze, frozen, thaw
from vaka.errors import Conflict


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "log").mkdir()
    return tmp_path


def test_it_holds_until_somebody_thaws_it(folder: Path) -> None:
    """Broken (S31): a bad mass change reaches a copy that a person has stopped; or nobody knows who stopped it."""
    assert frozen(folder) is None
    freeze(folder, "Eva Ek", "a wrong change")
    held = frozen(folder)
    assert held is not None and (held.by, held.reason) == ("Eva Ek", "a wrong change")
    with pytest.raises(Conflict, match="Eva Ek"):
        freeze(folder, "Bo Al", "again")
    thaw(folder, "Bo Al", "it was taken back")
    assert frozen(folder) is None
    with pytest.raises(Conflict):
        thaw(folder, "Bo Al", "again")
    kept = [orjson.loads(line) for line in (folder / "log" / "by-hand.jsonl").read_bytes().splitlines()]
    assert [(one["what"], one["by"], one["reason"]) for one in kept] == [
        ("freeze", "Eva Ek", "a wrong change"),
        ("thaw", "Bo Al", "it was taken back"),
    ]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"by":1}', b"null"])
def test_what_cannot_be_read_holds(folder: Path, content: bytes) -> None:
    """Broken: half a file lets a frozen copy go on."""
    (folder / "frozen.json").write_bytes(content)
    assert frozen(folder) is not None


def test_the_command(folder: Path) -> None:
    """Broken: no name or reason is asked for, or the folder of a journal is taken for a copy's."""
    run = CliRunner()
    who = ["--by", "Eva Ek", "--reason", "a wrong change"]
    assert run.invoke(command, ["freeze", "--data", str(folder)]).exit_code == 2
    done = run.invoke(command, ["freeze", "--data", str(folder), *who])
    assert done.exit_code == 0, done.output
    assert "Eva Ek" in done.output
    assert run.invoke(command, ["thaw", "--data", str(folder), *who]).exit_code == 0
    assert frozen(folder) is None
    (folder / "pg").mkdir()
    assert "no copy" in str(run.invoke(command, ["freeze", "--data", str(folder), *who]).exception)
    for wrong in ("", " ", "x" * 2_000, "a\nb"):
        said = run.invoke(command, ["freeze", "--data", str(folder), "--by", "Eva Ek", "--reason", wrong])
        assert said.exit_code != 0, repr(wrong)
