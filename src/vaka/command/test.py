"""``vaka test``: style, types and tests, as ``.ci/run`` does it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click

import vaka
from vaka import errors


@click.command("test", context_settings={"ignore_unknown_options": True})
@click.option("--all", "everything", is_flag=True, help="Also the tests marked slow.")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def command(everything: bool, arguments: tuple[str, ...]) -> int:
    """Run the checks and tests. ARGUMENTS go to pytest; with some, only pytest runs."""
    root = Path(vaka.__file__).resolve().parents[2]
    if not (root / "pyproject.toml").exists():
        raise errors.Setup("the tests are not part of an installed Vaka", help="run ./vaka test in a checkout")
    pytest = ["pytest", *(() if everything else ("-m", "not slow")), *arguments]
    steps = [pytest] if arguments else [["ruff", "check", "."], ["mypy"], pytest]
    failed = []
    for step in steps:
        click.echo(f"== {' '.join(step)}", err=True)
        if subprocess.run([sys.executable, "-m", *step], cwd=root, check=False).returncode != 0:
            failed.append(step[0])
    if failed:
        click.echo(f"failed: {', '.join(failed)}", err=True)
    return 1 if failed else 0
