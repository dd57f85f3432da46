"""The certificates of copies while they run: one that the journal removes is refused by the other copies too, one that is renewed
is shown at once."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from bench.running import command, free_port, token
from cryptography import x509
from tests.recovery.running import vaka, wait_until
from tests.recovery.test_wire import AUTHORITY, secure, trusting

from vaka.access.scopes import FEED, FEED_PRIVATE, RESERVE
from vaka.copy.board import Board, Field, Journal

pytestmark = [pytest.mark.alone, pytest.mark.slow]


@contextmanager
def north(folder: Path, journal: int, peers: int, data: Path) -> Iterator[Path]:
    """A copy that meets others at ``peers``; its folder."""
    secret, tls, place = folder / "north.token", folder / "north.tls", folder / "north"
    secret.write_text(token(data, "copy-north", frozenset({FEED, FEED_PRIVATE, RESERVE})))
    assert vaka("peer", "certificate", "north", "--host=127.0.0.1", "--data", data, "--to", tls).returncode == 0
    arguments = (
        "--from", f"https://localhost:{journal}", "--data", place, "--token-file", secret, "--port", str(free_port()),
        "--authority", tls / "authority.pem", "--certificate", tls / "north.pem", "--peer-port", str(peers),
        "--tls-own", "--name", "north.example.org",
    )  # fmt: skip
    with (folder / "north.said").open("wb") as said:
        process = subprocess.Popen(command("copy", *arguments), stdout=said, stderr=said)
    try:
        yield place
    finally:
        process.terminate()
        process.wait(60)


def test_certificates_of_copies_that_run(tmp_path: Path) -> None:
    """Broken: a stolen copy takes the record from another copy, or a copy is cut off by the renewal of its own certificate."""
    data, journal, peers = tmp_path / "v", free_port(), free_port()
    with (
        secure(data, "--copies=0", "--tls-own", "--name", "journal.example.org", "--peer-port", str(journal)),
        north(tmp_path, journal, peers, data) as place,
    ):
        assert vaka("peer", "certificate", "south", "--data", data, "--to", tmp_path / "south").returncode == 0
        stolen = tmp_path / "south" / "south.pem"

        def answers() -> bool:
            try:
                context = trusting(data / AUTHORITY, stolen)
                return httpx.get(f"https://127.0.0.1:{peers}/health", verify=context, timeout=5).status_code == 200
            except httpx.HTTPError:
                return False

        def hears() -> bool:
            return place.joinpath("board").exists() and Board(place / "board")[Field.JOURNAL] == Journal.HEARD

        wait_until(answers, "the copy lets in a copy with a certificate")
        wait_until(hears, "the copy hears its journal")
        own = tmp_path / "north.tls" / "north.pem"
        assert (
            vaka("peer", "certificate", "north-2", "--host=127.0.0.1", "--data", data, "--to", tmp_path).returncode == 0
        )
        own.write_bytes((tmp_path / "north-2.pem").read_bytes())
        shown = x509.load_pem_x509_certificate(own.read_bytes())

        def renewed() -> bool:
            said = (place / "log" / "follow.jsonl").read_text().splitlines()
            return any("certificate taken into use" in line and str(own) in line for line in said)

        wait_until(renewed, "the copy has taken its new certificate", 120)
        for name in ("south", "north"):
            assert vaka("peer", "remove", name, "--data", data).returncode == 0
        wait_until(lambda: not answers(), "the removed copy is refused by the other", 120)
        listed = x509.load_pem_x509_crl((place / "keys" / "revoked.pem").read_bytes())
        assert listed.get_revoked_certificate_by_serial_number(shown.serial_number) is None
        stolen = own
        assert answers(), "who was not removed is let in"
        assert vaka("peer", "certificate", "east", "--data", data, "--to", tmp_path).returncode == 0
        stolen = tmp_path / "east.pem"
        assert answers()
        assert vaka("peer", "remove", "east", "--data", data).returncode == 0
        # The journal refuses the certificate that the copy began with: this comes over one that was made with the new one.
        wait_until(lambda: not answers(), "the copy goes on to hear its journal", 120)
