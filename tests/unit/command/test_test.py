"""``vaka test``: which tests run together and which alone, and what Ctrl-C does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any, cast

import pytest
from _pytest.mark.expression import Expression
from click.testing import CliRunner
from tests.waiting import until

from vaka.command import test as tested

ROOT = Path(__file__).parents[3]


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[Sequence[str]]:
    """Those that were run."""
    made: list[Sequence[str]] = []

    def run(root: Path, step: Sequence[str]) -> int:
        made.append(step)
        return 1 if step[0] == "mypy" else 0

    monkeypatch.setattr(tested, "_run", run)
    return made


def asked(*arguments: str) -> Any:
    return CliRunner().invoke(tested.command, arguments, standalone_mode=False)


@pytest.mark.parametrize("everything", [False, True])
def test_each_test_is_in_one_of_the_groups(steps: list[Sequence[str]], everything: bool) -> None:
    """Broken: a test runs in neither group and nobody sees it, or in both."""
    asked(*(["--all"] if everything else []))
    groups = [Expression.compile(step[step.index("-m") + 1]) for step in steps if step[0] == "pytest"]
    assert len(groups) == 2
    for alone, slow in product([False, True], repeat=2):
        marks = {"alone": alone, "slow": slow}

        def marked(name: str, /, marks: dict[str, bool] = marks, **_: str | int | bool | None) -> bool:
            return marks[name]

        in_groups = [group.evaluate(cast(Any, marked)) for group in groups]
        assert in_groups == ([False, False] if slow and not everything else [not alone, alone])


def test_a_file_with_a_test_alone_is_looked_through(steps: list[Sequence[str]]) -> None:
    """Broken: a test that has to run alone never runs: its file is not among those of its group."""
    asked()
    (alone,) = (step for step in steps if step[0] == "pytest" and step[2] == "alone and not slow")
    for path in (ROOT / "tests").rglob("*.py"):
        if "mark." + "alone" in path.read_text():
            assert str(path.relative_to(ROOT)) in alone, f"{path}: the mark stands where no tests are, or is not found"


def test_a_step_that_fails_keeps_no_other_from_running(steps: list[Sequence[str]]) -> None:
    """Broken: a finding of mypy hides what the tests find, or a run with one is said to have passed."""
    done = asked()
    assert done.return_value == 1
    assert "failed: mypy\n" in done.stderr
    assert [step[0] for step in steps] == [step[0] for step in tested.CHECKS.values()] + ["pytest", "pytest"]


def test_what_is_asked_for_runs_as_it_is_asked(steps: list[Sequence[str]]) -> None:
    """Broken: `./vaka test PATH -k …` is checked for style first, or leaves out what is to be alone."""
    assert asked("tests/unit", "-k", "order").return_value == 0
    assert steps == [("pytest", "-m", "not slow", "tests/unit", "-k", "order")]
    asked("--all", "tests/unit")
    assert steps[1:] == [("pytest", "tests/unit")]


def test_ctrl_c_waits_for_what_runs_and_begins_nothing_more(tmp_path: Path) -> None:
    """Broken: Ctrl-C kills pytest before it has stopped the servers it started, or goes on to the next step."""
    (tmp_path / "step.py").write_text(
        "import signal, sys, time\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "try:\n    print('begun', flush=True)\n    time.sleep(60)\n"
        "except KeyboardInterrupt:\n    time.sleep(1)\n    print('tidied', flush=True)\n    sys.exit(2)\n"
    )
    script = (
        # Where tests run in the background, Ctrl-C is ignored from birth; and whatever fails here, no test runs all tests.
        "import signal, sys\nfrom vaka.command import test\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "test.CHECKS = {'one': ('step',), 'two': ('step',)}\ntest._together = test._alone = lambda *_: ('step',)\n"
        "sys.exit(test.command.main([], standalone_mode=False))"
    )
    said = tmp_path / "said"
    with said.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", script], stdout=output, stderr=output, start_new_session=True,
            env={**os.environ, "PYTHONPATH": str(tmp_path)},
        )  # fmt: skip
    until(lambda: "begun" in said.read_text(), "the step runs")
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    assert process.wait(60) == 130
    assert said.read_text().count("begun") == 1
    assert "tidied" in said.read_text()
