"""``vaka test``: style, types, security, what is installed, and tests, as ``.ci/run`` does it.

Invariants: every step runs, whatever became of those before, but after Ctrl-C none begins; the tests that hold a clock to
something, or freeze and kill what others use, have the machine to themselves (``alone``, tests/conftest.py).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import click

import vaka
from vaka import errors

CHECKS: Final[Mapping[str, Sequence[str]]] = {
    "ruff check": ("ruff", "check", "."),
    "ruff format": ("ruff", "format", "--check", "--quiet", "."),
    "mypy": ("mypy",),
    "bandit": ("bandit", "--configfile", "pyproject.toml", "--quiet", "--recursive", "src"),
    # What is known against a package changes without a change here, and needs a network: `vaka audit` asks, the tests do not.
    "audit": ("vaka.cli", "audit", "--offline"),
}
AT_ONCE_MAX: Final = 4
INTERRUPTED: Final = 130


@click.command("test", context_settings={"ignore_unknown_options": True})
@click.option("--all", "everything", is_flag=True, help="Also the tests marked slow.")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def command(everything: bool, arguments: tuple[str, ...]) -> int:
    """Run the checks and tests. ARGUMENTS go to pytest; with some, only pytest runs, one test after another.

    \b
    ./vaka test                                  all that has to pass before a change is taken
    ./vaka test tests/api/test_load.py -k order
    """
    root = Path(vaka.__file__).resolve().parents[2]
    if not (root / "pyproject.toml").exists():
        raise errors.Setup("the tests are not part of an installed Vaka", help="run ./vaka test in a checkout")
    if arguments:
        steps: Mapping[str, Sequence[str]] = {
            "pytest": ("pytest", *(() if everything else ("-m", "not slow")), *arguments)
        }
    else:
        steps = {**CHECKS, "tests": _together(everything), "tests alone": _alone(root, everything)}
    began = time.monotonic()
    failed = []
    for name, step in steps.items():
        click.echo(f"== {' '.join(step)}", err=True)
        code = _run(root, step)
        if code == INTERRUPTED:
            return INTERRUPTED
        if code != 0:
            failed.append(name)
    if failed:
        click.echo(f"failed: {', '.join(failed)}", err=True)
    elif not arguments:
        click.echo(f"all passed, in {(time.monotonic() - began) / 60:.1f} minutes", err=True)
    return 1 if failed else 0


def _together(everything: bool) -> tuple[str, ...]:
    """One at once more than there are cores, since a test waits a fifth of its time for what it has started; each with a server
    of its own. A file's tests stay together."""
    chosen = "not alone" if everything else "not alone and not slow"
    at_once = str(min((os.cpu_count() or 1) + 1, AT_ONCE_MAX))
    return ("pytest", "-m", chosen, "-n", at_once, "--dist", "loadfile", "--no-loadscope-reorder")


def _alone(root: Path, everything: bool) -> tuple[str, ...]:
    """Of the files that have some: to look through all others takes as long as a dozen tests."""
    files = sorted(path for path in (root / "tests").rglob("test_*.py") if "mark.alone" in path.read_text())
    return (
        "pytest",
        "-m",
        "alone" if everything else "alone and not slow",
        *(str(path.relative_to(root)) for path in files),
    )


def _run(root: Path, step: Sequence[str]) -> int:
    """Its exit code. Ctrl-C reaches it too: it is left the time to stop what it has started."""
    # Compiled once: the tests start Vaka some hundred times, and each would compile all of it.
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    with subprocess.Popen([sys.executable, "-m", *step], cwd=root, env=kept) as running:  # nosec B603 # our checks; no shell
        interrupted = False
        while True:
            try:
                code = running.wait()
                return INTERRUPTED if interrupted or code == -signal.SIGINT else code
            except KeyboardInterrupt:
                interrupted = True
