"""The direction of imports that DESIGN.md draws: `fhir <- access <- journal, copy <- api, web <- assemble <- cli`."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import vaka

SOURCE = Path(vaka.__file__).parent
LEAVES = {"errors", "config", "log", "process", "texts"}
# Each part, and what it may import beside itself and the leaves.
ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "config": set(),
    "log": set(),
    "process": set(),
    "texts": set(),
    "fhir": set(),
    "access": {"fhir"},
    "accesslog": {"access"},
    "store": {"fhir", "access"},
    "journal": {"fhir", "access", "store"},
    "copy": {"fhir", "access", "store"},
    "api": {"fhir", "access", "store", "accesslog", "journal", "copy"},
    "web": {"fhir", "access", "store", "accesslog", "journal", "copy", "api"},
    "watch": set(),
    "supply": set(),
    "recover": {"fhir", "access", "store", "accesslog", "journal", "copy"},
    "region": {"fhir", "access", "store", "journal", "copy"},
    "load": {"fhir", "access", "store", "accesslog", "journal", "copy", "watch"},
    "assemble": {"fhir", "access", "store", "accesslog", "journal", "copy", "api", "web", "watch", "recover", "region"},
    "command": {
        "fhir",
        "access",
        "store",
        "accesslog",
        "journal",
        "copy",
        "api",
        "web",
        "watch",
        "recover",
        "region",
        "load",
        "assemble",
        "supply",
    },
    "cli": {"command"},
}
# The database's address may be a secret and its client is heavy: neither the rules nor the supervisor touch it.
FREE_OF = {
    "fhir": {"psycopg", "apsw"},
    "access": {"psycopg", "apsw"},
    "store": {"psycopg", "apsw"},
    "copy": {"psycopg"},
    "watch": {"psycopg", "apsw"},
}


def part(file: Path) -> str:
    return file.relative_to(SOURCE).parts[0].removesuffix(".py")


def imported(file: Path) -> Iterator[str]:
    """Every module that ``file`` names in an import, wherever in the file it stands."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def files() -> list[Path]:
    return [file for file in SOURCE.rglob("*.py") if file.name != "__init__.py" or file.parent != SOURCE]


def test_no_import_goes_upward() -> None:
    """Broken: a lower part has come to know a higher one."""
    wrong = []
    for file in files():
        own = part(file)
        for name in imported(file):
            if not name.startswith("vaka.") or name.startswith("vaka.__"):
                continue
            other = name.split(".")[1]
            if other != own and other not in LEAVES and other not in ALLOWED[own]:
                wrong.append(f"{file.relative_to(SOURCE)} imports {name}")
            if own in LEAVES and other in LEAVES - {own}:
                wrong.append(f"{file.relative_to(SOURCE)} imports {name}: a leaf imports nothing of ours")
    assert not wrong


def test_rules_and_supervisor_know_no_database() -> None:
    """Broken: what should be pure, or small, reaches a database by itself."""
    wrong = [
        f"{file.relative_to(SOURCE)} imports {name}"
        for file in files()
        for name in imported(file)
        if name.split(".")[0] in FREE_OF.get(part(file), set())
    ]
    assert not wrong


def test_the_standard_sqlite_is_never_used() -> None:
    """Broken: the bundled SQLite has a known write-ahead-log fault."""
    assert not [file for file in files() for name in imported(file) if name.split(".")[0] == "sqlite3"]
