"""The audit of what is installed, and what it says of known vulnerabilities."""

from __future__ import annotations

import json
import subprocess
import sys
import venv
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from vaka import errors
from vaka.command import audit as command
from vaka.supply import age, audit, lock, parts

WHOLE = lock.read(lock.root() / "requirements-test.lock")


def test_this_environment_is_as_it_was_locked() -> None:
    """Broken: tests speak of other versions than those that run elsewhere."""
    assert audit.findings(WHOLE, parts.parts(lock.read(lock.root() / "requirements.lock"))) == []
    assert audit.unmet() == []


def test_each_difference_from_the_lock_is_told() -> None:
    """Broken: a package that nobody locked, or another version of one, passes the audit."""
    without = [one for one in WHOLE if one.name != "click"]
    assert "click is installed, and not in the lock" in audit.findings(without, [])
    other = [replace(one, version="0.1") if one.name == "click" else one for one in WHOLE]
    assert any(told.startswith("click 8") and "the lock has 0.1" in told for told in audit.findings(other, []))
    more = [
        *WHOLE,
        lock.Locked("not-here", "1", "", ("0" * 64,)),
        lock.Locked("elsewhere", "1", "os_name == 'nt'", ("0" * 64,)),
    ]
    assert audit.findings(more, []) == ["not-here is in the lock, and not installed"]
    bare = [replace(one, hashes=()) if one.name == "click" else one for one in WHOLE]
    assert audit.findings(bare, []) == ["click: the lock has no hash"]


@pytest.fixture
def small(tmp_path: Path) -> metadata.Distribution:
    """A distribution of two files on a path of its own."""
    wheel = tmp_path / "small-1.dist-info"
    wheel.mkdir()
    (tmp_path / "small.py").write_text("GOOD = 1\n")
    (wheel / "METADATA").write_text("Metadata-Version: 2.1\nName: small\nVersion: 1\n")
    digest = "a06v7eM9hdsfc9LxFWwunhDRkUJrGG0hKpOd3xcqqeo"
    (wheel / "RECORD").write_text(f"small.py,sha256={digest},9\nsmall-1.dist-info/RECORD,,\n")
    return next(iter(metadata.distributions(path=[str(tmp_path)])))


def test_a_file_that_was_changed_after_it_was_installed_is_told(
    small: metadata.Distribution, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Broken: somebody changes a library on the machine, and the audit says that all is well."""
    here = {**parts.installed(), "small": small}
    monkeypatch.setattr(audit, "installed", lambda: here)
    locked = [*WHOLE, lock.Locked("small", "1", "", ("0" * 64,))]
    part = parts.Part("small", "1", "MIT", "MIT", "", (), (), ())
    assert audit.findings(locked, [part]) == []
    (tmp_path / "small.py").write_text("GOOD = 0\n")
    assert audit.findings(locked, [part]) == ["small: small.py has been changed since it was installed"]
    gpl = ({"name": "inner", "licenses": [{"expression": "GPL-3.0-only"}]},)
    told = audit.findings(locked, [replace(part, inside=gpl, license=None, license_text="")])
    assert "small: licence GPL-3.0-only of inner in it is not allowed" in told
    assert "small: licence not told is not allowed" in told
    (tmp_path / "small.py").unlink()
    assert audit.findings(locked, [part]) == ["small: small.py is missing"]


@pytest.mark.parametrize(
    ("expression", "permitted"),
    [
        ("MIT", True),
        ("GPL-3.0-only OR MIT", True),
        ("MIT AND BSD-3-Clause", True),
        ("MIT AND GPL-3.0-only", False),
        ("AGPL-3.0-or-later", False),
        ("MPL-2.0 AND (Apache-2.0 OR MIT)", True),
        ("(MIT OR GPL-3.0-only) AND Unicode-3.0", True),
        ("(MIT AND GPL-3.0-only) OR AGPL-3.0-only", False),
        ("Apache-2.0 WITH LLVM-exception", True),
        ("GPL-3.0-only WITH GCC-exception-3.1", False),
        ("MIT AND", False),
        ("(MIT", False),
        ("MIT MIT", False),
        ("MIT/GPL-3.0-only", True),
        ("", False),
        (None, False),
    ],
)
def test_licences(expression: str | None, permitted: bool) -> None:
    """Broken: something comes in under a licence that this project cannot keep."""
    assert audit.allowed(expression) is permitted


# What pip-audit 2.10 wrote: here, where the index has no advisories; and by its documentation, where it has.
NOT_FOUND = "Dependency not found on {} and could not be audited: {} ({})"
NOTHING_ASKED = json.dumps(
    {"dependencies": [{"name": "click", "skip_reason": NOT_FOUND.format("the index", "click", "8.5.1")}], "fixes": []}
)
WELL = json.dumps({"dependencies": [{"name": "click", "version": "8.5.1", "vulns": []}], "fixes": []})
FLAWED = json.dumps(
    {
        "dependencies": [
            {
                "name": "click",
                "version": "8.5.1",
                "vulns": [{"id": "PYSEC-2026-1", "fix_versions": ["8.5.2"], "aliases": [], "description": "…"}],
            },
            {"name": "rich", "skip_reason": "…"},
        ],
        "fixes": [],
    }
)


@pytest.mark.parametrize(
    ("stdout", "stderr", "code", "said"),
    [
        (WELL, "No known vulnerabilities found", 0, "0 in 1 packages, all asked about"),
        (NOTHING_ASKED, "No known vulnerabilities found", None, "1 of 1 packages"),
        (FLAWED, "Found 1 known vulnerability", None, "click 8.5.1: PYSEC-2026-1, mended in 8.5.2"),
        (json.dumps({"dependencies": []}), "No known vulnerabilities found", None, "about anything"),
        ("", "ERROR: connection refused", None, "connection refused"),
        ("not json", "", None, "pip-audit said nothing"),
    ],
)
def test_what_was_not_asked_is_never_told_as_well(
    stdout: str, stderr: str, code: int | None, said: str,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """Broken: a service that could not be reached, or does not know a package, reads as "no known vulnerabilities"."""

    def run(*_: object, **__: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess([], 0, stdout, stderr)  # 0 also where nothing was asked: as it is

    ask = audit.ask
    monkeypatch.setattr(audit, "ask", lambda path: ask(path, run))
    if code is None:
        with pytest.raises(errors.Unavailable) as refused:
            command._ask(Path("some.lock"))
        assert "nothing can be said" in refused.value.message
        assert said in refused.value.message + capsys.readouterr().out
    else:
        assert command._ask(Path("some.lock")) is False
        assert said in capsys.readouterr().out


def test_a_withdrawn_version_is_told_and_an_index_that_is_away_is_not_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken: a version that its project took back stays, or a silent index reads as "none withdrawn"."""

    def report(*yanked: bool) -> str:
        ones = [{"metadata": {"name": "click", "version": f"8.{n}"}, "is_yanked": is_} for n, is_ in enumerate(yanked)]
        return json.dumps({"install": ones})

    def asked(stdout: str, code: int = 0) -> list[str] | None:
        return audit.withdrawn(Path("some.lock"), lambda *_, **__: subprocess.CompletedProcess([], code, stdout, ""))

    assert asked(report(False, False)) == []
    assert asked(report(False, True)) == ["click 8.1"]
    assert [asked(""), asked("{}"), asked(report()), asked(report(False), 1)] == [None] * 4
    monkeypatch.setattr(audit, "withdrawn", lambda _: None)
    with pytest.raises(errors.Unavailable, match="nothing can be said"):
        command._withdrawn(Path("some.lock"))
    monkeypatch.setattr(audit, "withdrawn", lambda _: ["click 8.1"])
    assert command._withdrawn(Path("some.lock")) is True


def test_known_vulnerabilities_fail_the_audit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken: a flaw is found and the exit code is 0."""
    told: dict[str, Any] = json.loads(FLAWED)
    found = audit.answer(json.dumps({"dependencies": told["dependencies"][:1]}), "")
    assert found.known == (("click", "8.5.1", "PYSEC-2026-1", "8.5.2"),)
    monkeypatch.setattr(audit, "ask", lambda _: found)
    assert command._ask(Path("some.lock")) is True


def test_the_command_says_that_it_did_not_ask() -> None:
    """Broken: the checks of `vaka test` look as if somebody had asked for known vulnerabilities."""
    done = subprocess.run(
        [sys.executable, "-m", "vaka.cli", "audit", "--offline"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "NOT ASKED" in done.stdout


def test_without_pip_audit_it_is_said(tmp_path: Path) -> None:
    """Broken: an installation without the tools of tests says that all is well, or breaks."""
    venv.create(tmp_path / "v", system_site_packages=False, with_pip=False)
    site = subprocess.run(
        [tmp_path / "v" / "bin" / "python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    here = Path(str(metadata.distribution("click").locate_file(""))).resolve()
    for found in here.iterdir():
        if not found.name.lower().startswith(("pip_audit", "pip-audit")):
            (Path(site) / found.name).symlink_to(found)
    done = subprocess.run(
        [tmp_path / "v" / "bin" / "python", "-c", "import sys; from vaka.command.audit import _ask; _ask(None)"],
        capture_output=True, text=True, check=False,
        env={"PYTHONPATH": str(lock.root() / "src")},
    )  # fmt: skip
    assert "Unavailable: known vulnerabilities were not asked for: pip-audit is not installed" in done.stderr


def test_age_is_that_of_the_commit_that_wrote_the_line(tmp_path: Path) -> None:
    """Broken: an entry that nobody looked at for a year counts as new."""
    now = datetime.now(UTC)

    def git(*arguments: str, at: datetime | None = None) -> None:
        stamp = (at or now).isoformat()
        environment = {
            "GIT_COMMITTER_DATE": stamp,
            "GIT_AUTHOR_DATE": stamp,
            "HOME": str(tmp_path),
            "PATH": "/usr/bin:/bin",
        }
        who = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
        subprocess.run(["git", *who, *arguments], cwd=tmp_path, env=environment, check=True, capture_output=True)

    file = tmp_path / "some.lock"
    git("init")
    file.write_text("old-one==1\nmoved==1\n")
    git("add", ".")
    git("commit", "-m", "one", at=now - timedelta(days=200, hours=1))
    file.write_text("old-one==1\nmoved==2\n")
    git("commit", "-am", "two", at=now - timedelta(days=3, hours=1))
    file.write_text("old-one==1\nmoved==2\nnew==1\n")
    assert age.ages_days(file, now) == {"old-one": 200, "moved": 3, "new": 0}
    file.rename(tmp_path.parent / "no-checkout.lock")
    assert age.ages_days(tmp_path.parent / "no-checkout.lock", now) is None
