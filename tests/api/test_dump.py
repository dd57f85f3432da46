"""``vaka dump``: every version of everything, exact, in the feed's order."""

from __future__ import annotations

import base64
import hashlib
import os
import uuid
from pathlib import Path
from typing import Any

import orjson
import psycopg
import zstandard
from tests import commands
from tests.client import Api
from tests.conftest import Instance

from vaka.config import BINARY_CHUNK_BYTES
from vaka.journal import cluster


def dumped(journal: Instance, *arguments: str) -> commands.Done:
    return commands.run("dump", "--data", journal.data, *arguments)


def lines_of(content: bytes) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in content.splitlines()]


def test_every_version_is_in_it_exactly(api: Api, journal: Instance, tmp_path: Path) -> None:
    """Breaks if a version, a deletion or a byte is missing, if an order of cursors is wrong, or content is left out."""
    t = uuid.uuid4().hex
    first = (
        b'{"resourceType":"Observation","id":"%b","status":"final","code":{"text":"\\u00e5 x"}, "valueInteger":1}'
        % t.encode()
    )
    for body in (first, first.replace(b":1}", b":2}")):
        assert api.put(f"/Observation/{t}", content=body).status_code in (200, 201)
    kept = [api.get(f"/Observation/{t}/_history/{n}").content for n in (1, 2)]
    api.delete(f"/Observation/{t}")
    content = os.urandom(BINARY_CHUNK_BYTES + 5)
    binary = api.post("/Binary", content=content, headers={"Content-Type": "application/octet-stream"}).json()["id"]

    path = tmp_path / "all.ndjson.zst"
    done = dumped(journal, "--to", str(path), "--json")
    assert done.returncode == 0, done.stderr
    lines = lines_of(zstandard.ZstdDecompressor().stream_reader(path.open("rb")).read())
    assert lines[0] == {"format": "vaka-dump-1", "since": None}
    assert lines[-1]["cursor"] == orjson.loads(done.stdout)["cursor"]
    assert path.stat().st_mode & 0o077 == 0
    versions = [line for line in lines if "hash" in line]
    for version in versions:
        assert hashlib.sha256(version.get("body", "").encode()).hexdigest() == version["hash"] or version.get(
            "redacted"
        )
    mine = [line for line in versions if line["id"] == t]
    assert [line["action"] for line in mine] == ["create", "update", "delete"]
    assert [line["body"].encode() for line in mine[:2]] == kept
    assert all(line["owner"]["kind"] == "observation" for line in mine)
    places = [tuple(map(int, line["cursor"].split(".")[1:])) for line in versions]
    assert places == sorted(set(places))
    with psycopg.connect(cluster.at(journal.data / "pg").dsn(), autocommit=True) as database:
        assert database.execute("SELECT count(*) FROM version").fetchone() == (len(versions),)
    at = next(n for n, line in enumerate(lines) if line.get("id") == binary)
    pieces = [base64.b64decode(line["bytes"]) for line in lines[at - 2 : at]]
    assert b"".join(pieces) == content

    api.make({"resourceType": "Patient", "id": f"after-{t}"})
    rest = lines_of(dumped(journal, "--since", lines[-1]["cursor"]).stdout.encode())
    assert [line["id"] for line in rest if "hash" in line] == [f"after-{t}"]


def test_a_dump_overwrites_nothing(journal: Instance, tmp_path: Path) -> None:
    """Breaks if an earlier dump can be lost to a later one, or a failed one leaves a file that looks whole."""
    path = tmp_path / "old.ndjson"
    path.write_bytes(b"precious")
    assert dumped(journal, "--to", str(path)).returncode == 78
    assert path.read_bytes() == b"precious"
    assert dumped(journal, "--to", str(tmp_path / "new.ndjson"), "--since", "9.9.9").returncode == 75
    assert list(tmp_path.iterdir()) == [path]
