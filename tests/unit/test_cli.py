"""The command line as a whole."""

from __future__ import annotations

import subprocess
import sys

import pytest
from click.testing import CliRunner

from vaka import cli, errors


def test_help_names_every_command() -> None:
    """Broken: a command cannot be found."""
    shown = CliRunner().invoke(cli.vaka, ["--help"]).output
    assert all(f"  {name} " in shown for name in cli.COMMANDS)
    assert not any(f"  {name} " in shown for name in cli.HIDDEN)


def test_an_error_is_told_with_its_help_and_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Broken: an operator sees a stack instead of what to do."""

    def refuse(*_: object, **__: object) -> None:
        raise errors.Setup("the port is taken", help="take another")

    monkeypatch.setattr(cli.vaka, "main", refuse)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == errors.Setup.exit_code
    assert capsys.readouterr().err == "vaka: the port is taken\n  help: take another\n"


def test_starting_the_command_line_imports_nothing_heavy() -> None:
    """Broken: `vaka status` takes a second because it loads the whole record."""
    code = (
        "import sys, vaka.cli; print([m for m in sys.modules if m.split('.')[0] in ('psycopg', 'granian', 'fhirkit')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
