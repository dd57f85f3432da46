"""The command line as a whole."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from collections.abc import Iterator

import click
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
    code = "import sys, vaka.cli; print([m for m in sys.modules if m.split('.')[0] in ('psycopg', 'httptools', 'fhirkit')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def _leaves(found: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    if isinstance(found, click.Group):
        for below in found.commands.values():
            yield from _leaves(below, f"{name} {below.name}")
    else:
        yield name, found


COMMANDS = [
    leaf
    for name, (module, _) in cli.COMMANDS.items()
    for leaf in _leaves(importlib.import_module(module).command, name)
]


@pytest.mark.parametrize(
    "name", ["up", "status", "load", "dump", "backup", "restore", "region", "bench", "test", "token"]
)
def test_help_shows_how_it_is_used(name: str) -> None:
    """Broken: a newcomer sees a list of options, and not one line that can be typed."""
    shown = CliRunner().invoke(cli.vaka, [name, "--help"]).output
    lines = [line for line in shown.partition("Options:")[0].splitlines() if line.startswith("  ")]
    assert any(re.match(rf"  (\S+=\S+ )?(\./)?vaka {name} \S|  \w+=\$\(vaka {name} ", line) for line in lines), shown


@pytest.mark.parametrize(("name", "found"), COMMANDS)
def test_every_option_says_what_it_is_for(name: str, found: click.Command) -> None:
    """Broken: --help names an option and leaves its meaning to be guessed."""
    assert not [one.name for one in found.params if isinstance(one, click.Option) and not one.help], name


def test_a_file_that_cannot_be_used_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Broken: a mistyped path, or a full disk, ends in a stack."""

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", "/mnt/report")

    monkeypatch.setattr(cli.vaka, "main", refuse)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 74
    assert capsys.readouterr().err == "vaka: cannot use /mnt/report: Permission denied\n"


def test_every_command_leaves_evidence_where_it_dies() -> None:
    """Broken: a load or a restore that crashes in a library ends with one word, and nobody learns where."""
    code = (
        "import faulthandler, resource, sys; from vaka import cli; sys.argv = ['vaka', '--version']\n"
        "try: cli.main()\n"
        "except SystemExit: pass\n"
        "soft, hard = resource.getrlimit(resource.RLIMIT_CORE); print(faulthandler.is_enabled(), soft == hard)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "True True"
