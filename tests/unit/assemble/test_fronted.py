"""Ports of a journal and its copies."""

from __future__ import annotations

import socket
from pathlib import Path

import orjson
import pytest
from bench.running import free_port

from vaka import assemble, errors
from vaka.api.wire import Wire
from vaka.assemble import fronted
from vaka.assemble.copies import Copy, check_source


def start(folder: Path, port: int, **more: object) -> assemble.Start:
    directory = assemble.directory(folder)
    directory.create()
    return assemble.Start(directory, port=port, **more)  # type: ignore[arg-type]


def test_ports_stay_what_they_were(tmp_path: Path) -> None:
    """Broken: after each start everything is somewhere else, and what was noted down is wrong."""
    port = free_port()
    first = fronted.settle(start(tmp_path, port, copies=3))
    assert first is not None
    assert first.ports[0] == port
    assert len({*first.ports, first.journal.port}) == 4
    assert orjson.loads((tmp_path / "run" / "ports.json").read_bytes())["copies"] == list(first.ports)
    assert fronted.settle(start(tmp_path, port, copies=3)) == first
    fewer = fronted.settle(start(tmp_path, port, copies=1))
    assert fewer is not None
    assert (fewer.ports, fewer.journal.port) == ((port,), first.journal.port)


def test_a_port_that_is_taken_is_passed_over(tmp_path: Path) -> None:
    """Broken: a start fails since something listens where a further copy was."""
    port = free_port()
    first = fronted.settle(start(tmp_path, port, copies=2))
    assert first is not None
    with socket.socket() as one, socket.socket() as other:
        for taken, at in ((one, first.journal.port), (other, first.ports[1])):
            taken.bind(("127.0.0.1", at))
            taken.listen()
        again = fronted.settle(start(tmp_path, port, copies=2))
        assert again is not None
        assert not {first.journal.port, first.ports[1]} & {again.journal.port, *again.ports}
        with pytest.raises(errors.Setup, match=str(first.journal.port)):
            fronted.settle(start(tmp_path, port, copies=2, journal_port=first.journal.port))
    with pytest.raises(errors.Setup, match="same"):
        fronted.settle(start(tmp_path, port, copies=2, journal_port=port))


def test_without_copies_nothing_changes(tmp_path: Path) -> None:
    """Broken: --copies 0 is not what Vaka was before there were copies."""
    assert fronted.settle(start(tmp_path, free_port(), copies=0)) is None
    assert not (tmp_path / "run" / "ports.json").exists()


def test_the_journal_behind_copies(tmp_path: Path) -> None:
    """Broken: others on the network reach the journal past its copies, or it takes a copy for the caller."""
    wire = Wire(own=True, names=("ehr.example",), peer_port=free_port())
    made = fronted.settle(start(tmp_path, free_port(), copies=1, host="127.0.0.1", wire=wire))
    assert made is not None
    journal = made.journal
    assert (journal.host, journal.wire.secure, journal.wire.believed) == ("127.0.0.1", False, frozenset())
    assert journal.url.startswith("http://127.0.0.1:")
    assert "ehr.example" in journal.wire.names
    assert journal.wire.peer_host == "127.0.0.1"
    assert wire.of_copy().peer_port is None
    assert wire.of_copy().secure
    proxied = Wire(behind_proxy=True, names=("ehr.example",), proxies=("10.0.0.9",))
    assert proxied.of_journal("0.0.0.0").believed == frozenset()
    assert proxied.of_copy().believed == frozenset({"10.0.0.9"})


@pytest.mark.parametrize(
    "source",
    [
        "",
        "journal",
        "ftp://x",
        "http://",
        "http://x/fhir",
        "http://u:p@x",
        "http://x:99999",
        "http://x?a=b",
        "https://x:0",
    ],
)
def test_what_is_no_journal(source: str) -> None:
    """Broken: a mistyped address ends in a library's word for it, or a password in the process list."""
    with pytest.raises(errors.Setup) as said:
        check_source(source)
    assert said.value.help


def test_a_copy_is_started_with_what_was_asked(tmp_path: Path) -> None:
    """Broken: an option is lost on the way to the process that needs it."""
    from click.testing import CliRunner

    from vaka.command import copy_serve

    asked = Copy(
        assemble.directory(tmp_path), "http://127.0.0.1:1", "::1", 8443, 3, ("SE1-2", "SE1-3"), tmp_path / "k", tmp_path / "t",
        Wire(own=True, names=("ehr.example",)), True,
    )  # fmt: skip
    got: list[Copy] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(assemble, "serve_copy", lambda copy, number: got.append(copy))
        done = CliRunner().invoke(copy_serve.command, ["--data", str(tmp_path), *asked.arguments(), "--number", "2"])
    assert done.exit_code == 0, done.output
    assert got == [asked]
