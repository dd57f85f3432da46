"""A copy's certificates while it runs: its own when it is renewed, and those of others when they are removed."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from vaka.api.certificates import Authority
from vaka.api.http1 import Tls
from vaka.copy import revoked
from vaka.copy.files import Folder
from vaka.copy.tls import Ways
from vaka.errors import Invalid

HOST = "south.example.org"


def meet(server: ssl.SSLContext, client: ssl.SSLContext | bool) -> int:
    """The serial number of the certificate that the client has shown. ssl.SSLError where one refuses the other."""
    assert isinstance(client, ssl.SSLContext)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    served = server.wrap_bio(to_server, to_client, server_side=True)
    asked = client.wrap_bio(to_client, to_server, server_hostname=HOST)

    def step(work: Callable[[], object]) -> None:
        try:
            work()
        except ssl.SSLWantReadError:
            pass

    for _ in range(4):
        step(asked.do_handshake)
        step(served.do_handshake)
    shown = served.getpeercert(binary_form=True)
    assert shown is not None
    return x509.load_der_x509_certificate(shown).serial_number


def serial(path: Path) -> int:
    return x509.load_pem_x509_certificate(path.read_bytes()).serial_number


def told(authority: Authority) -> bytes:
    """The list as the private feed tells it."""
    return x509.load_pem_x509_crl(authority.revoked_path.read_bytes()).public_bytes(Encoding.DER)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "journal")


@pytest.fixture
def north(tmp_path: Path) -> Folder:
    folder = Folder(tmp_path / "north")
    folder.prepare()
    return folder


def pem(authority: Authority, tmp_path: Path, name: str) -> Path:
    path = tmp_path / f"{name}.pem"
    path.write_bytes(authority.peer(name, [HOST]))
    return path


def test_a_renewed_certificate_is_shown_without_a_restart(authority: Authority, north: Folder, tmp_path: Path) -> None:
    """Broken: a copy whose certificate is renewed in time is shut out when the old one ends; or one that cannot be used cuts it off."""
    own, server = pem(authority, tmp_path, "north"), pem(authority, tmp_path, "server")
    listens = Tls(server, server, authority.certificate_path).context()
    ways = Ways(authority.certificate_path, own, north.revoked)
    first = serial(own)
    assert not ways.look()
    good = pem(authority, tmp_path, "north-2").read_bytes()
    certificate = good[good.index(b"-----BEGIN CERTIFICATE") :]
    own.write_bytes(own.read_bytes()[: own.read_bytes().index(b"-----BEGIN CERTIFICATE")] + certificate)
    for _ in range(2):  # the key of another; it is tried again
        with pytest.raises(ssl.SSLError):
            ways.look()
    assert meet(listens, ways.journal) == meet(listens, ways.copies) == first
    own.unlink()
    with pytest.raises(FileNotFoundError):
        ways.look()
    own.write_bytes(good)
    assert ways.look()
    assert meet(listens, ways.journal) == meet(listens, ways.copies) == serial(own) != first


def test_who_was_removed_is_refused_by_other_copies(authority: Authority, north: Folder, tmp_path: Path) -> None:
    """Broken: a copy that was stolen, and removed at the journal, is still let in by the other copies, or spoken to by them."""
    own, south = pem(authority, tmp_path, "north"), pem(authority, tmp_path, "south")
    listens = Tls(own, own, authority.certificate_path, north.revoked, awaited=True)
    ways = Ways(authority.certificate_path, own, north.revoked)
    stolen = Ways(authority.certificate_path, south, tmp_path / "none")
    its = Tls(south, south, authority.certificate_path).context()
    files = listens.files
    assert meet(listens.context(), stolen.copies) == serial(south)
    assert meet(its, ways.copies) == serial(own)
    assert revoked.keep(north, authority.certificate_path, told(authority))
    assert ways.look()
    assert meet(listens.context(), stolen.copies) == serial(south), "nobody is removed yet"
    assert meet(its, ways.copies) == serial(own)
    void = serial(south)
    authority.remove("south")
    assert revoked.keep(north, authority.certificate_path, told(authority)), "within the second of the list before"
    assert listens.files != files, "the listener sees that there is a list"
    with pytest.raises(ssl.SSLError, match="revoked"):
        meet(listens.context(), stolen.copies)
    assert ways.look()
    with pytest.raises(ssl.SSLError, match="revoked"):
        meet(its, ways.copies)
    assert void in {one.serial_number for one in x509.load_pem_x509_crl(north.revoked.read_bytes())}
    again = pem(authority, tmp_path, "south")
    assert meet(listens.context(), Ways(authority.certificate_path, again, north.revoked).copies) == serial(again)


def test_a_list_counts_only_if_our_authority_made_it_and_it_is_newer(
    authority: Authority, north: Folder, tmp_path: Path
) -> None:
    """Broken: who was removed is let in again by a list of another authority, or by one from a backup."""
    before = told(authority)
    pem(authority, tmp_path, "south")
    authority.remove("south")
    assert revoked.keep(north, authority.certificate_path, told(authority))
    kept = north.revoked.read_bytes()
    assert not revoked.keep(north, authority.certificate_path, before)
    assert not revoked.keep(north, authority.certificate_path, told(authority))
    for bad in (told(Authority(tmp_path / "another")), b"", b"no list", told(authority)[:-1] + b"\x00"):
        with pytest.raises(Invalid):
            revoked.keep(north, authority.certificate_path, bad)
    assert north.revoked.read_bytes() == kept
    north.revoked.write_bytes(b"torn")
    assert revoked.keep(north, authority.certificate_path, told(authority)), "what cannot be read is replaced"
