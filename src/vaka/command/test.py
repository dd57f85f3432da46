"""``vaka test``: style, types, security, what is installed, and tests, as ``.ci/run`` does it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

import click

import vaka
from vaka import errors

CHECKS: Final = (
    ["ruff", "check", "."],
    ["ruff", "format", "--check", "--quiet", "."],
    ["mypy"],
    ["bandit", "--configfile", "pyproject.toml", "--quiet", "--recursive", "src"],
    # What is known against a package changes without a change here, and needs a network: `vaka audit` asks, the tests do not.
    ["vaka.cli", "audit", "--offline"],
)


@click.command("test", context_settings={"ignore_unknown_options": True})
@click.option("--all", "everything", is_flag=True, help="Also the tests marked slow.")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def command(everything: bool, arguments: tuple[str, ...]) -> int:
    """Run the checks and tests. ARGUMENTS go to pytest; with some, only pytest runs.

    \b
    ./vaka test                                  all that has to pass before a change is taken
    ./vaka test tests/api/test_load.py -k order
    """
    root = Path(vaka.__file__).resolve().parents[2]
    if not (root / "pyproject.toml").exists():
        raise errors.Setup("the tests are not part of an installed Vaka", help="run ./vaka test in a checkout")
    pytest = ["pytest", *(() if everything else ("-m", "not slow")), *arguments]
    steps = [pytest] if arguments else [*CHECKS, pytest]
    failed = []
    for step in steps:
        click.echo(f"== {' '.join(step)}", err=True)
        done = subprocess.run([sys.executable, "-m", *step], cwd=root, check=False)  # nosec B603 # our own checks; no shell
        if done.returncode != 0:
            failed.append("audit" if step[0] == "vaka.cli" else " ".join(step[:2]) if step[0] == "ruff" else step[0])
    if failed:
        click.echo(f"failed: {', '.join(failed)}", err=True)
    return 1 if failed else 0
