"""``vaka client``: registering, listing and removing programs from the command line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from tests.client import Api, fresh
from tests.conftest import Instance

from vaka.journal.clients import HSA


@pytest.fixture
def pem(tmp_path: Path) -> Path:
    public = generate_private_key(SECP384R1()).public_key()
    path = tmp_path / "public.pem"
    path.write_bytes(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return path


def client(journal: Instance, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", "vaka.cli", "client", *map(str, arguments), "--data", str(journal.data)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_a_client_comes_and_goes(journal: Instance, api: Api, pem: Path, tag: str) -> None:
    """Broken: a program cannot be registered, for the whole region or for one provider by its HSA-id, or not be removed."""
    provider = api.make(
        {"resourceType": "Organization", "name": tag, "identifier": [{"system": HSA, "value": f"SE-{tag}"}]}
    )["id"]
    unit = api.make({"resourceType": "Organization", "name": tag, "partOf": {"reference": f"Organization/{provider}"}})[
        "id"
    ]
    name = f"c-{tag}"
    done = client(
        journal, "add", name, "--public-key", pem, "--scope", "system/Patient.read", "--provider", f"SE-{tag}", "--json"
    )
    assert done.returncode == 0, done.stderr
    told = orjson.loads(done.stdout)
    assert (told["scopes"], told["provider"], len(told["keys"])) == (["system/Patient.rs"], provider, 1)
    again = client(journal, "add", name, "--public-key", pem, "--scope", "system/Patient.rs")
    assert again.returncode != 0
    assert "already" in again.stderr
    listed = {one["client"]: one for one in orjson.loads(client(journal, "list", "--json").stdout)}
    assert listed[name]["provider"] == provider
    assert name in client(journal, "list").stdout
    of_unit = client(
        journal, "add", f"{name}-u", "--public-key", pem, "--scope", "system/Patient.rs", "--provider", unit
    )
    assert f"--provider {provider}" in of_unit.stderr
    assert client(journal, "remove", name).returncode == 0
    assert name not in client(journal, "list").stdout
    assert client(journal, "remove", name).returncode == 66


def test_what_is_wrong_is_said(journal: Instance, pem: Path, tmp_path: Path) -> None:
    """Broken: a mistake registers something else than was meant, or ends in a stack."""
    private = tmp_path / "private.pem"
    key = generate_private_key(SECP384R1())
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    name = f"c-{fresh()}"
    scope = ("--scope", "system/Patient.rs")
    for arguments, said in (
        ((name, "--public-key", private, *scope), "private key"),
        ((name, *scope), "public key"),
        ((name, "--public-key", pem, "--jwks", pem, *scope), "one of them"),
        ((name, "--public-key", pem, "--scope", "system/Patient.sr"), "system/Patient.sr"),
        ((name, "--public-key", pem, "--scope", "patient/*.rs"), "cannot be granted"),
        ((name, "--public-key", pem), "--scope"),
        ((name, "--public-key", pem, "--scope", "feed", "--provider", "x"), "every provider"),
        ((name, "--public-key", pem, *scope, "--provider", "nobody"), "no Organization"),
        (("a b", "--public-key", pem, *scope), "name"),
        (("../x", "--public-key", pem, *scope), "name"),
    ):
        done = client(journal, "add", *arguments)
        assert done.returncode not in (0, 1, 70), done
        assert said in done.stderr, done.stderr
        assert "Traceback" not in done.stderr
    assert name not in client(journal, "list").stdout
