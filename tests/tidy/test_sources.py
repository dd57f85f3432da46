"""What the sources of this repository look like, read from the files that git tracks."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINES_MAX = 450
TEST_LINES_MAX = 600
BINARY = {".zst", ".dict", ".png", ".ico", ".woff2", ".gz"}
# Written in parts, so that this file does not name one itself.
HOSTS = ["pypi" + ".org", "python" + "hosted", "registry." + "npmjs", "deb." + "debian.org", "index" + "-url",
         "find" + "-links", "trusted" + "-host", '"resolved"' + ":"]  # fmt: skip


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    return [path for name in listed.stdout.decode().split("\0") if name and (path := ROOT / name).is_file()]


def text(path: Path) -> str:
    return "" if path.suffix in BINARY else path.read_text(errors="replace")


def test_no_file_names_a_registry() -> None:
    """Broken: an installation depends on one host, or tells where this was made."""
    allowed = {"tools/lock.sh"}  # the options that leave addresses out have these names
    wrong = [
        f"{path.relative_to(ROOT)}: {host}"
        for path in tracked()
        if str(path.relative_to(ROOT)) not in allowed
        for host in HOSTS
        if host in text(path)
    ]
    assert not wrong


def test_modules_are_small() -> None:
    """Broken: a module has outgrown what one can hold in mind."""
    sizes = {path.relative_to(ROOT): text(path).count("\n") for path in tracked() if path.suffix == ".py"}
    limits = {path: TEST_LINES_MAX if path.parts[0] == "tests" else LINES_MAX for path in sizes}
    assert not {str(path): lines for path, lines in sizes.items() if lines > limits[path]}


def test_every_module_says_its_duty() -> None:
    """Broken: a module begins without the docstring that tells what it is for."""
    modules = [path for path in tracked() if path.suffix == ".py" and (path.name != "__init__.py" or text(path))]
    assert not [str(path.relative_to(ROOT)) for path in modules if not text(path).lstrip().startswith('"""')]


def test_every_statement_is_named() -> None:
    """Broken: a statement cannot be found by name, or a name stands for nothing."""
    wrong = []
    for path in tracked():
        if path.suffix != ".sql" or path.parent.name == "migrations":
            continue
        parts = re.split(r"^-- name: (\w+)$", text(path), flags=re.MULTILINE)
        if re.sub(r"^--.*$", "", parts[0], flags=re.MULTILINE).strip():
            wrong.append(f"{path.name}: a statement before the first name")
        names = parts[1::2]
        if len(set(names)) != len(names) or not names:
            wrong.append(f"{path.name}: names are missing or double")
        for name, body in zip(names, parts[2::2], strict=True):
            if not re.sub(r"^--.*$", "", body, flags=re.MULTILINE).strip():
                wrong.append(f"{path.name}: {name} is empty")
    assert not wrong


def test_migrations_are_numbered_without_a_gap() -> None:
    """Broken: two migrations have one number, or one is missing."""
    names = sorted(path.name for path in tracked() if path.parent.name == "migrations" and path.suffix == ".sql")
    assert all(re.fullmatch(r"\d{4}_(pre|post)_\w+\.sql", name) for name in names)
    assert [int(name[:4]) for name in names] == list(range(1, len(names) + 1))


def test_the_supervisor_does_not_use_wait_for() -> None:
    """Broken: before Python 3.12 wait_for swallows a cancellation now and then, and a clean stop hangs for ever."""
    files = [file for part in ("assemble", "watch") for file in (ROOT / "src" / "vaka" / part).glob("*.py")]
    assert not [file.name for file in files if ".wait_for(" in text(file)]


def test_what_cannot_start_says_what_to_do() -> None:
    """Broken: an operator is told that it does not start, and left alone with that."""
    wrong = [
        f"{path.relative_to(ROOT)}:{call.lineno}"
        for path in (ROOT / "src").rglob("*.py")
        for call in ast.walk(ast.parse(text(path)))
        if isinstance(call, ast.Call) and ast.unparse(call.func).rpartition(".")[2] == "Setup"
        if not any(given.arg == "help" for given in call.keywords)
    ]
    assert not wrong


def test_versions_are_only_added() -> None:
    """Broken: a statement changes or removes what was recorded; a redaction alone takes bodies out (S26)."""
    changing = re.compile(
        r"^.*\b(?:UPDATE|DELETE FROM|TRUNCATE|MERGE INTO)\s+(?:ONLY\s+)?version\b.*$", re.MULTILINE | re.IGNORECASE
    )
    found = [
        line.strip()
        for path in (ROOT / "src").rglob("*")
        if path.suffix in (".sql", ".py") and path.parent.name != "migrations"
        for line in changing.findall(text(path))
    ]
    assert len(found) == 2
    assert all(line.startswith("UPDATE version SET body = NULL, redacted = true WHERE rkey = ") for line in found), (
        found
    )


def test_what_must_pass_is_what_a_person_runs() -> None:
    """Broken: what decides on a change is not what its author has tried."""
    run = ROOT / ".ci" / "run"
    assert run.stat().st_mode & 0o111
    assert run.read_text().splitlines()[-1] == 'exec ./vaka test "$@"'


def test_links_between_documents_lead_somewhere() -> None:
    """Broken: who follows a link at night finds nothing."""
    wrong = []
    for path in tracked():
        if path.suffix != ".md":
            continue
        for target in re.findall(r"\]\(([^)\s]+)\)", text(path)):
            name, _, anchor = target.partition("#")
            if "://" in target or target.startswith("mailto:"):
                continue
            other = (path.parent / name).resolve() if name else path
            if not other.exists() or (anchor and other.suffix == ".md" and anchor not in anchors(text(other))):
                wrong.append(f"{path.relative_to(ROOT)}: {target}")
    assert not wrong


def anchors(document: str) -> set[str]:
    """What headings are linked to by."""
    titles = re.findall(r"^#+ (.+)$", document, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
