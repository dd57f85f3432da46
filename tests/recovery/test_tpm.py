"""The key of a copy in a TPM, as docs/operating/copies.md has it: a TPM in software (swtpm), and systemd's own program.

systemd is not what runs here, so its part at the start of a service is done by hand: the credential is decrypted into a folder of
one's own, and CREDENTIALS_DIRECTORY names it.
"""

from __future__ import annotations

import os
import re
import secrets
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from bench.running import FULL, Vaka, command, free_port, running, token
from tests.client import fresh
from tests.recovery.running import SETUP, wait_until

from vaka.access.scopes import FEED, FEED_PRIVATE, RESERVE

_MISSING = [name for name in ("swtpm", "systemd-creds") if shutil.which(name) is None]

pytestmark = [pytest.mark.alone, pytest.mark.skipif(bool(_MISSING), reason=f"not installed: {', '.join(_MISSING)}")]


@contextmanager
def tpm(state: Path) -> Iterator[str]:
    """A machine's TPM, switched on for as long as the block lasts: what systemd-creds is to be told of it. The same ``state`` is
    the same TPM."""
    state.mkdir(exist_ok=True)
    at = state / "s"
    process = subprocess.Popen(
        ["swtpm", "socket", "--tpm2", "--tpmstate", f"dir={state}", "--flags", "startup-clear",
         "--server", f"type=unixio,path={at}", "--ctrl", f"type=unixio,path={at}.ctrl"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        wait_until(lambda: at.exists() and process.poll() is None, "the TPM is there", 10.0)
        yield f"--tpm2-device=swtpm:path={at}"
    finally:
        process.terminate()
        process.wait(10)


def as_documented(which: str, **places: object) -> list[str]:
    """The command of the document that begins so and has ``which`` in it, with other places."""
    text = (Path(__file__).parents[2] / "docs" / "operating" / "copies.md").read_text()
    (found,) = [one for one in re.findall(r"systemd-creds encrypt[^|`\n&]*", text) if which in one]
    for before, after in places.items():
        assert before in found, before
        found = found.replace(before, str(after))
    return shlex.split(found)


def decrypted(device: str, credential: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """As systemd does it before it starts a service with LoadCredentialEncrypted=copy.key:``credential``."""
    folder.mkdir(mode=0o700)
    return subprocess.run(
        ["systemd-creds", "decrypt", device, "--name=copy.key", credential, folder / "copy.key"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


@contextmanager
def copy(journal: Vaka, data: Path, credentials: Path | None) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """``vaka copy`` in ``data`` as a service would be started; the process and its address."""
    port, given = free_port(), data.with_suffix(".token")
    given.write_text(token(journal.data, "tpm", frozenset({FEED, FEED_PRIVATE, RESERVE})))
    environment = {name: value for name, value in os.environ.items() if name != "CREDENTIALS_DIRECTORY"}
    environment |= {"CREDENTIALS_DIRECTORY": str(credentials)} if credentials is not None else {}
    with data.with_suffix(".said").open("ab") as said:
        process = subprocess.Popen(
            command("copy", "--from", journal.url, "--data", data, "--port", str(port), "--token-file", given),
            stdout=said, stderr=said, env=environment,
        )  # fmt: skip
    try:
        yield process, f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(60)


def reads(url: str, id_: str, headers: dict[str, str]) -> bool:
    try:
        answer = httpx.get(f"{url}/fhir/Patient/{id_}", headers=headers, timeout=20)
    except httpx.TransportError:
        return False
    return answer.status_code == 200 and answer.headers["vaka-answered-by"] == "copy"


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kept", ["made for it", pytest.param("made by the first start", marks=pytest.mark.slow)])
def test_a_stolen_disk_is_dark_without_the_tpm(tmp_path: Path, kept: str) -> None:
    """Broken: who follows docs/operating/copies.md has a service that does not start; or the key lies on the disk all the same, or
    opens on another machine."""
    data, credential, own, family = tmp_path / "copy", tmp_path / "cred", tmp_path / "tpm", fresh()
    with running(tmp_path / "data") as journal:
        headers = {"Authorization": f"Bearer {token(journal.data, 'tests', FULL)}"}
        body = {"resourceType": "Patient", "name": [{"family": family}]}
        made = httpx.post(f"{journal.url}/fhir/Patient", json=body, headers=headers, timeout=20)
        id_ = made.json()["id"]
        if kept == "made for it":
            key = secrets.token_hex(32)
            with tpm(own) as device:
                encrypt = [*as_documented(" - ", **{"/etc/vaka/copy.key.cred": credential}), device]
                subprocess.run(encrypt, input=key.encode() + b"\n", capture_output=True, check=True)
        else:
            with copy(journal, data, None) as (_, url):
                wait_until(lambda: reads(url, id_, headers), "it serves with the key that it has made")
            plain = data / "keys" / "copy.key"
            key = plain.read_text().strip()
            with tpm(own) as device:
                places = {"DIR/keys/copy.key": plain, "/etc/vaka/copy.key.cred": credential}
                subprocess.run([*as_documented("DIR/keys", **places), device], capture_output=True, check=True)
            plain.unlink()
            with copy(journal, data, None) as (process, _):
                assert process.wait(60) == SETUP, "without the credential it makes no other key"
            assert not plain.exists()
        with tpm(own) as device:  # the machine was switched off and on
            done = decrypted(device, credential, tmp_path / "credentials")
        assert done.returncode == 0, done.stderr
        assert (tmp_path / "credentials" / "copy.key").read_text().strip() == key
        with copy(journal, data, tmp_path / "credentials") as (process, url):
            wait_until(lambda: reads(url, id_, headers), "it serves with the key that the TPM has given")
        assert process.returncode == 0
        shutil.rmtree(tmp_path / "credentials")  # systemd's are in memory, and gone with the service
        everything = [path for path in [credential, *data.rglob("*")] if path.is_file()]
        assert len(everything) > 10
        forms = (key.encode(), key.upper().encode(), bytes.fromhex(key), family.encode())
        told = [(path, form) for path in everything for form in forms if form in path.read_bytes()]
        assert not told, "neither the key nor what it closes stands there"
        with tpm(tmp_path / "another") as device:
            done = decrypted(device, credential, tmp_path / "elsewhere")
        assert done.returncode != 0, "another machine opens it"
        assert not (tmp_path / "elsewhere" / "copy.key").exists()
        with copy(journal, data, tmp_path / "elsewhere") as (process, _):
            assert process.wait(60) == SETUP, "the stolen disk starts no copy"
