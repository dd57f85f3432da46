"""Files as texts: their forms, the ids that are made, the order of files, what waits."""

from __future__ import annotations

import gzip
from pathlib import Path

import orjson
import pytest
import zstandard

from vaka.errors import Invalid, NotFound
from vaka.load.report import Place
from vaka.load.run import Waiting
from vaka.load.sources import Text, files, texts

PRETTY = b'{\n  "resourceType": "Patient",\n  "id": "a"\n}\n'
LINES = b'{"resourceType":"Patient","id":"a"}\n\n{"id":"b","resourceType":"Flag"}\n{"resourceType":"Patient"}'


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.compress])
def test_lines_and_documents_are_told_apart(tmp_path: Path, pack: type[bytes]) -> None:
    """Breaks if a pretty-printed document is read as lines, or lines under another name as a document."""
    for name, content, places in (("x.json", PRETTY, [None]), ("y.json", LINES, [1, 3, 4]), ("z", LINES, [1, 3, 4])):
        path = tmp_path / name
        path.write_bytes(pack(content))
        found = list(texts(path))
        assert [text.place.line for text in found] == places
        assert (found[0].type, found[0].id) == ("Patient", "a")


def test_made_ids_are_of_content_and_position(tmp_path: Path) -> None:
    """Breaks if loading a renamed file again makes doubles, or two alike lines become one resource."""
    two = b'{"resourceType":"Patient"}\n{"resourceType":"Patient"}\n'
    ids = []
    for name, content in (("a.ndjson", two), ("b.ndjson", two), ("c.ndjson", two + b"{}\n")):
        (tmp_path / name).write_bytes(content)
        ids.append([text.id for text in texts(tmp_path / name)][:2])
    assert ids[0] == ids[1]
    assert len({*ids[0], *ids[2]}) == 4
    assert all(text.made for text in texts(tmp_path / "a.ndjson"))


def test_what_others_lean_on_comes_first(tmp_path: Path) -> None:
    """Breaks if organisations and encounters are read after what inherits its owner from them."""
    for name, type_ in (("a", "Observation"), ("b", "Encounter"), ("c", "Organization"), ("d", "Patient")):
        (tmp_path / f"{name}.ndjson").write_bytes(orjson.dumps({"resourceType": type_, "id": "1"}))
    (tmp_path / "notes.txt").write_text("not to be loaded")
    assert [path.stem for path in files([str(tmp_path)])] == ["c", "b", "a", "d"]


def test_paths_that_lead_nowhere(tmp_path: Path) -> None:
    """Breaks if a mistyped path loads nothing and says that all went well."""
    with pytest.raises(NotFound):
        files([str(tmp_path / "none.ndjson")])
    with pytest.raises(Invalid):
        files([str(tmp_path)])


def test_cut_short_is_an_error(tmp_path: Path) -> None:
    """Breaks if the end of a damaged file is taken for the end of the data."""
    content = b"".join(b'{"resourceType":"Patient","id":"%d"}\n' % n for n in range(5_000))
    (tmp_path / "two.zst").write_bytes(zstandard.compress(content) * 2)
    assert len(list(texts(tmp_path / "two.zst"))) == 10_000
    for name, packed in (("a.ndjson.gz", gzip.compress(content)), ("b.ndjson.zst", zstandard.compress(content))):
        path = tmp_path / name
        path.write_bytes(packed[: len(packed) // 2])
        with pytest.raises(Invalid):
            list(texts(path))


def test_what_waits_comes_back_as_it_was() -> None:
    """Breaks if a text is changed, lost or reordered while it waits on disk."""
    given = [Text(Place("f", n, None), b'{"a":\n%d}' % n, "Patient", f"p{n}", made=n % 2 == 0) for n in range(3)]
    waiting = Waiting()
    for text in given:
        waiting.add(text)
    assert len(waiting) == 3
    assert list(waiting.texts()) == given
