"""Secrets: who can read them, where they must never stand, and changing them while Vaka runs."""

from __future__ import annotations

import base64
import contextlib
import os
from pathlib import Path

import httpx
import psutil
from tests.recovery.running import Up, told, up, vaka
from tests.waiting import until


def get(running: Up, token: str, address: str = "/fhir/Patient?_count=1") -> int:
    url = address if address.startswith("http") else f"http://127.0.0.1:{running.port}{address}"
    return httpx.get(url, headers={"Authorization": f"Bearer {token}"}, timeout=10).status_code


def kids(running: Up, name: str) -> list[str]:
    return [one["kid"] for one in told(vaka("keys", "list", "--data", running.data, "--json")) if one["name"] == name]


def test_keys_change_while_it_runs(tmp_path: Path) -> None:
    """Broken: a stolen key cannot be taken away without a stop, or changing one throws everybody out."""
    with up(tmp_path / "v") as running:
        data = running.data
        old = running.token()
        assert get(running, old) == 200
        before = kids(running, "token")[0]
        assert "signs now" in vaka("keys", "rotate", "token", "--data", data).stdout
        assert kids(running, "token")[1:] == [before]
        new = running.token()
        until(lambda: get(running, new) == 200, "the new key is known")
        assert get(running, old) == 200
        refused = vaka("keys", "forget", "token", kids(running, "token")[0], "--data", data)
        assert "signs now" in refused.stderr
        assert vaka("keys", "forget", "token", "0123456789abcdef", "--data", data).returncode == 66
        assert vaka("keys", "forget", "token", "../page", "--data", data).returncode == 66
        assert vaka("keys", "forget", "token", before, "--data", data).returncode == 0
        until(lambda: get(running, old) == 401, "the old key is forgotten")
        assert get(running, new) == 200
        for _ in range(3):
            running.create("Nilsson")
        page = httpx.get(
            f"http://127.0.0.1:{running.port}/fhir/Patient?_count=1", headers={"Authorization": f"Bearer {new}"}
        ).json()
        following = next(link["url"] for link in page["link"] if link["relation"] == "next")
        assert get(running, new, following) == 200
        assert "void" in vaka("keys", "rotate", "page", "--data", data).stdout
        until(lambda: get(running, new, following) == 400, "the page's key is forgotten")
        assert vaka("keys", "list", "--data", tmp_path / "nowhere").returncode == 78


def secrets_of(data: Path) -> list[bytes]:
    """What must stand nowhere: each key as bytes, in hexadecimal and in base64, and a private key's lines."""
    found: list[bytes] = []
    for path in (data / "secret").rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        if len(content) == 32:
            found += [
                content,
                content.hex().encode(),
                base64.urlsafe_b64encode(content)[:40],
                base64.b64encode(content)[:40],
            ]
        elif b"PRIVATE KEY" in content:
            found += [line for line in content.splitlines() if b"-----" not in line and len(line) > 40][:1]
    assert len(found) >= 9
    return found


def test_secrets_stand_in_their_files_alone(tmp_path: Path) -> None:
    """Broken: a key, or a token that was used, can be read in the process list, an environment, a log or by another user."""
    data = tmp_path / "v"
    before = os.umask(0o000)  # the most careless there is
    try:
        running_up = up(data)
        running = running_up.__enter__()
    finally:
        os.umask(before)
    with contextlib.ExitStack() as stack:
        stack.push(running_up.__exit__)
        vaka("peer", "certificate", "north", "--data", data, "--to", tmp_path / "away")
        token = running.token()
        assert get(running, token) == 200
        assert get(running, token + "x") == 401
        assert get(running, token, f"/fhir/Patient?access_token={token}") == 400
        secrets = [*secrets_of(data), token.encode()]
        supervisor = psutil.Process(running.process.pid)
        for process in (supervisor, *supervisor.children(recursive=True)):
            for what in ("cmdline", "environ"):
                content = Path(f"/proc/{process.pid}/{what}").read_bytes()
                assert not [s for s in secrets if s in content], f"{what} of {process.name()} holds a secret"
        for path in (data / "secret").rglob("*"):
            assert path.stat().st_mode & 0o077 == 0, path
        running.stop()
        for path in [*(data / "log").rglob("*"), data / "run" / "status.json"]:
            if path.is_file():
                content = path.read_bytes()
                assert not [s for s in secrets if s in content], f"{path.name} holds a secret"
        assert all(path.stat().st_mode & 0o007 == 0 for path in (data / "log").glob("*.jsonl"))


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    """Broken: it starts with a key that anybody on the machine can have copied."""
    data = tmp_path / "v"
    with up(data):
        pass
    (data / "secret" / "token.key").chmod(0o644)
    done = vaka("token", "--system", "x", "--data", data)
    assert done.returncode == 78
    assert "chmod 600" in done.stderr
    (data / "secret" / "token.key").chmod(0o600)
    (data / "secret" / "token.key").write_bytes(b"short")
    assert "does not hold a key" in vaka("token", "--system", "x", "--data", data).stderr
