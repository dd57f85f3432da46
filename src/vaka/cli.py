"""The command line. Each command lives in its own module, imported only when it is used.

Invariants: this is the only place that turns an error into text and an exit code; standard output carries a command's
result, standard error everything else.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Mapping
from typing import Final

import click

from vaka import errors, process

# name -> (module, attribute, help). Help stands here so that `vaka --help` imports nothing.
COMMANDS: Final[Mapping[str, tuple[str, str]]] = {
    "up": ("vaka.command.up", "Start Vaka here and keep it running."),
    "copy": ("vaka.command.copy", "Keep a read copy of a journal, and answer from it."),
    "reserve": ("vaka.command.reserve", "What was written on a copy while the journal was away."),
    "status": ("vaka.command.status", "Every process: name, role, pid, address, state."),
    "token": ("vaka.command.token", "Make a token for a program."),
    "person": ("vaka.command.person", "Ways in for people: set-up codes, and taking ways in back."),
    "client": ("vaka.command.client", "Register programs that ask for tokens with a signed assertion."),
    "keys": ("vaka.command.keys", "List and change the keys that tokens and sessions are made with."),
    "peer": ("vaka.command.peer", "Make and void the certificates of copies; shut a copy out."),
    "load": ("vaka.command.load", "Load bundles and NDJSON."),
    "dump": ("vaka.command.dump", "Write out every version as open NDJSON."),
    "redact": ("vaka.command.redact", "Take content out for ever, on an authority's decision."),
    "provider": ("vaka.command.provider", "Export, and delete, one care provider's part."),
    "backup": ("vaka.command.backup", "Make, list and verify backups."),
    "restore": ("vaka.command.restore", "Restore a backup beside the live record, verify it, swap it in."),
    "log": ("vaka.command.log", "Verify, show, extract and review the access log."),
    "region": ("vaka.command.region", "Make a synthetic region of any size."),
    "bench": ("vaka.command.bench", "Measure the published figures."),
    "sbom": ("vaka.command.sbom", "Name everything that this Vaka consists of, with licences."),
    "audit": ("vaka.command.audit", "Check what is installed; ask for known vulnerabilities."),
    "test": ("vaka.command.test", "Run the checks and tests."),
}
HIDDEN: Final[Mapping[str, str]] = {
    "serve": "vaka.command.serve",
    "copy-serve": "vaka.command.copy_serve",
    "fill-demo": "vaka.command.fill_demo",
    "receive-wal": "vaka.command.receive_wal",
    "keep-backups": "vaka.command.keep_backups",
    "copy-follow": "vaka.command.copy_follow",
}


class _Lazy(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        module = COMMANDS[cmd_name][0] if cmd_name in COMMANDS else HIDDEN.get(cmd_name)
        if module is None:
            return None
        found = importlib.import_module(module).command
        assert isinstance(found, click.Command)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, told) for name, (_, told) in COMMANDS.items()])


@click.command(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="vaka")
def vaka() -> None:
    """A shared electronic health record that stays up."""


def main() -> None:
    """Entry point: run the command and exit with its code."""
    process.leave_evidence()
    process.collect_seldom()
    try:
        code = vaka.main(prog_name="vaka", standalone_mode=False)
    except errors.VakaError as error:
        click.echo(f"vaka: {error.message}" + (f"\n  help: {error.help}" if error.help else ""), err=True)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    except BrokenPipeError:  # the reader of our output has left
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except OSError as error:
        if error.filename is None:
            raise
        click.echo(f"vaka: cannot use {error.filename}: {error.strerror}", err=True)
        sys.exit(74)
    sys.exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    main()
