"""Certificates made here: what they are good for, when they are made anew, and what is void."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from vaka.api import certificates
from vaka.api.certificates import Authority, days_left, names_of
from vaka.errors import Conflict, Invalid, NotFound, Setup


def served(authority: Authority) -> x509.Certificate:
    return x509.load_pem_x509_certificate(authority.server_certificate.read_bytes())


def test_the_servers_certificate_renews_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken: a certificate of our own expires unseen, is made anew at every look, or does not carry a name that was added."""
    authority = Authority(tmp_path)
    assert authority.server(["journal.example.org"])
    assert not authority.server(["journal.example.org"])
    first = served(authority)
    assert set(names_of(first)) == {"journal.example.org", "localhost", "127.0.0.1", "::1"}
    assert 89 < days_left(first) <= 90
    assert authority.server(["journal.example.org", "10.0.0.1"])
    assert "10.0.0.1" in names_of(served(authority))
    monkeypatch.setattr(certificates, "SERVER_DAYS", certificates.RENEW_BEFORE_DAYS)
    assert authority.server(["other.example.org"])
    monkeypatch.undo()
    assert authority.server(["other.example.org"])
    assert Authority(tmp_path).server_certificate.read_bytes().count(b"BEGIN CERTIFICATE") == 2  # with its authority


def test_what_a_certificate_is_good_for(tmp_path: Path) -> None:
    """Broken: a copy's certificate can play the server, sign others, or is of no authority."""
    authority = Authority(tmp_path)
    authority.server(["journal.example.org"])
    content = authority.peer("south-1.ward")
    peer = x509.load_pem_x509_certificate(content)
    assert load_pem_private_key(content, None)
    root = x509.load_pem_x509_certificate(authority.certificate_path.read_bytes())
    for one, use in ((peer, "clientAuth"), (served(authority), "serverAuth")):
        one.verify_directly_issued_by(root)
        uses = one.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        assert [found._name for found in uses] == [use]
        assert not one.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert root.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length == 0
    assert Authority(tmp_path).peers()[0].name == "south-1.ward"  # it stays the same authority


def test_a_copy_that_others_reach_shows_a_certificate_for_its_hosts_alone(tmp_path: Path) -> None:
    """Broken: copies cannot verify each other, or one of them can be taken for the journal."""
    authority = Authority(tmp_path)
    authority.server(["journal.example.org", "10.0.0.1"])
    peer = x509.load_pem_x509_certificate(authority.peer("south", ["south.example.org", "10.0.0.12"]))
    uses = peer.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert [found._name for found in uses] == ["clientAuth", "serverAuth"]
    assert names_of(peer) == ["south.example.org", "10.0.0.12"]
    for host in ("journal.example.org", "JOURNAL.example.org", "10.0.0.1"):
        with pytest.raises(Invalid, match="own name"):
            authority.peer("north", [host])
    assert [one.name for one in authority.peers()] == ["south"]


@pytest.mark.parametrize("name", ["", "a/b", "../x", ".x", "a b", "x" * 64, "å\n", "a*"])
def test_names_of_peers(tmp_path: Path, name: str) -> None:
    """Broken: a peer's name leads out of the folder."""
    with pytest.raises(Invalid):
        Authority(tmp_path).peer(name)


def test_who_was_removed_stays_void(tmp_path: Path) -> None:
    """Broken: removing a second peer, or a new certificate under the old name, makes the first one good again."""
    authority = Authority(tmp_path)
    serials = []
    for _ in range(2):
        for name in ("south", "north"):
            serials.append(x509.load_pem_x509_certificate(authority.peer(name)).serial_number)
            with pytest.raises(Conflict):
                authority.peer(name)
            authority.remove(name)
    revoked = x509.load_pem_x509_crl(authority.revoked_path.read_bytes())
    assert sorted(one.serial_number for one in revoked) == sorted(serials)
    key = x509.load_pem_x509_certificate(authority.certificate_path.read_bytes()).public_key()
    assert isinstance(key, EllipticCurvePublicKey)
    assert revoked.is_signature_valid(key)
    with pytest.raises(NotFound):
        authority.remove("south")


def test_an_authority_that_others_can_read_is_refused(tmp_path: Path) -> None:
    """Broken: anybody on the machine can make peers."""
    Authority(tmp_path)
    (tmp_path / "secret" / "tls" / "authority.key").chmod(0o640)
    with pytest.raises(Setup):
        Authority(tmp_path)
