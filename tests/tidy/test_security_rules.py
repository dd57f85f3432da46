"""ruff and bandit together look for all that bandit knows, each rule in one of them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

from bandit.core import extension_loader

ROOT = Path(__file__).parents[2]
CONFIG = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
# Rules that nobody keeps, with the reason.
LEFT_OUT = {
    "B101": "assert tells mypy and the reader what holds; input is never checked by one, and python -O is not used",
    "B404": "that subprocess is imported says nothing; each call is looked at (B602 to B607)",
    "B603": "by bandit, not by ruff: excused where it stands",
    "B607": "by bandit, not by ruff",
}


def rules_of_bandit() -> set[str]:
    manager = extension_loader.MANAGER
    blacklist = {str(one["id"]) for ones in manager.blacklist.values() for one in ones}
    return {*manager.plugins_by_id, *blacklist} - {"B001"}  # the plugin that holds the blacklist


def rules_of_ruff() -> set[str]:
    """The S rules that are switched on for src, as B numbers."""
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "rule", "--all", "--output-format", "json"],
        capture_output=True,
        text=True,
        check=True,
    )
    stable = {
        one["code"] for one in json.loads(done.stdout)
        if one["linter"] == "flake8-bandit" and not one["preview"] and "Removed" not in str(one["status"])
    }  # fmt: skip
    assert "S" in CONFIG["ruff"]["lint"]["select"]
    return {code.replace("S", "B", 1) for code in stable - set(CONFIG["ruff"]["lint"]["ignore"])}


def test_every_rule_is_kept_by_one_tool() -> None:
    """Broken: a rule has fallen between the two tools, or a finding has to be excused twice."""
    bandit, ruff = set(CONFIG["bandit"]["tests"]), rules_of_ruff()
    known = rules_of_bandit()
    assert not bandit - known
    assert not bandit & ruff
    assert not known - bandit - ruff - set(LEFT_OUT)


def test_every_excuse_has_its_reason() -> None:
    """Broken: a finding is waved through without a word, or a whole file is."""
    wrong = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in (ROOT / "src").rglob("*.py")
        for line in path.read_text().splitlines()
        if "nosec" in line and not re.search(r"# nosec B\d{3}(?:, B\d{3})* # \S+ \S+", line)
    ]
    assert not wrong


def test_a_planted_finding_is_found(tmp_path: Path) -> None:
    """Broken: the step runs, and looks at nothing."""
    planted = tmp_path / "planted.py"
    planted.write_text("import pickle\nimport subprocess\n\nsubprocess.run(['ls', input()])\n")
    done = subprocess.run(
        [sys.executable, "-m", "bandit", "--configfile", "pyproject.toml", "--quiet", "--format", "json", str(planted)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert {one["test_id"] for one in json.loads(done.stdout)["results"]} == {"B403", "B603", "B607"}
