"""``vaka region``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
import zstandard
from click.testing import CliRunner

from vaka.command.region import command


def _lines(packed: bytes) -> list[dict[str, object]]:
    text = zstandard.ZstdDecompressor().decompressobj().decompress(packed)
    return [orjson.loads(line) for line in text.splitlines()]


def test_a_file_for_each_type(tmp_path: Path) -> None:
    """A type in the wrong file would be refused by every bulk loader."""
    target = tmp_path / "out"
    result = CliRunner().invoke(command, ["--patients", "3", "--to", str(target), "--today", "2026-11-23"])
    assert result.exit_code == 0, result.output
    files = {file.name.split(".")[0]: _lines(file.read_bytes()) for file in target.iterdir()}
    assert len(files["Patient"]) == 3
    assert all(line["resourceType"] == name for name, lines in files.items() for line in lines)


def test_one_stream_on_standard_output() -> None:
    """A count on standard output would break the stream."""
    result = CliRunner().invoke(command, ["--patients", "2", "--to", "-", "--today", "2026-11-23"])
    assert result.exit_code == 0
    lines = _lines(result.stdout_bytes)
    assert lines[0]["resourceType"] == "Organization"
    assert sum(line["resourceType"] == "Patient" for line in lines) == 2


def test_a_directory_in_use_is_left_alone(tmp_path: Path) -> None:
    """Files of two regions in one directory would load as one."""
    (tmp_path / "mine").write_text("x")
    result = CliRunner().invoke(command, ["--patients", "2", "--to", str(tmp_path)])
    assert result.exit_code != 0
    assert [file.name for file in tmp_path.iterdir()] == ["mine"]


def test_what_was_cut_off_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a region would be loaded as a whole one, or keep the same command out the next time."""

    def cut(*_: object) -> Iterator[tuple[str, bytes]]:
        yield "Patient", b"{}"
        raise KeyboardInterrupt

    monkeypatch.setattr("vaka.command.region.generate", cut)
    assert CliRunner().invoke(command, ["--patients", "2", "--to", str(tmp_path / "out")]).exit_code != 0
    assert list((tmp_path / "out").iterdir()) == []


def test_what_was_made_is_told_in_json(tmp_path: Path) -> None:
    """A script would have to read a sentence to know what it has got."""
    asked = ["--patients", "2", "--to", str(tmp_path / "out"), "--today", "2026-11-23", "--json"]
    told = orjson.loads(CliRunner().invoke(command, asked).stdout)
    files = (tmp_path / "out").iterdir()
    assert told["resources"] == sum(len(_lines(file.read_bytes())) for file in files)
    assert (told["patients"], told["today"], told["seed"]) == (2, "2026-11-23", 1)
