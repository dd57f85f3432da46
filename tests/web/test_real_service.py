"""Logging in at a real identity service: the npm package oidc-provider, run by node. `--all` only."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from bench.running import Vaka, free_port
from tests.conftest import Instance
from tests.web.browser import Browser
from tests.web.test_login_pages import ONE, SEVERAL, claims

pytestmark = pytest.mark.slow
SCRIPT = """
import { Provider } from "oidc-provider";
const [port, redirect] = process.argv.slice(2);
const names = ["employeeHsaId", "allCommissions"];
const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [{ client_id: "vaka", client_secret: "a secret of some length for vaka", redirect_uris: [redirect],
              token_endpoint_auth_method: "client_secret_basic" }],
  claims: { openid: ["sub", ...names] },
  conformIdTokenClaims: false,
  pkce: { required: () => true },
  findAccount: async (_, id) => ({
    accountId: id,
    claims: async () => ({ sub: id, employeeHsaId: id, allCommissions: undefined }),
  }),
  features: { devInteractions: { enabled: true } },
});
provider.listen(Number(port), "127.0.0.1", () => console.log("listening"));
"""


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory, npm: Callable[..., Path]) -> Iterator[Instance]:
    """A demo whose people log in at oidc-provider."""
    from tests.web.conftest import staff_alone

    folder = npm("oidc-provider")
    port, service_port = free_port(), free_port()
    (folder / "service.mjs").write_text(SCRIPT)
    command = ["node", "service.mjs", str(service_port), f"http://localhost:{port}/login/callback"]
    service = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    data = tmp_path_factory.mktemp("real") / "data"
    (data / "settings").mkdir(parents=True)
    data.chmod(0o700)
    secret = data / "settings" / "secret"
    secret.write_text("a secret of some length for vaka")
    secret.chmod(0o600)
    one = {
        "name": "oidc-provider",
        "issuer": f"http://127.0.0.1:{service_port}",
        "client_id": "vaka",
        "secret_file": str(secret),
    }
    (data / "settings" / "identity.json").write_text(json.dumps([one]))
    staff_alone(data / "run")
    vaka = Vaka(data, port, arguments=("--demo",))
    instance = Instance(vaka.url, data)
    try:
        vaka.start()
        deadline = time.monotonic() + 60
        while "Nadia" not in Browser(instance.url).get("/login").text:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        yield instance
    finally:
        service.terminate()
        vaka.stop()
    assert not instance.faults()


def at_the_service(address: str, person: str) -> str:
    """What a person does at oidc-provider's own pages: logs in, consents. The address back to us."""
    with httpx.Client(follow_redirects=False, timeout=30) as client:
        for fields in (None, {"prompt": "login", "login": person, "password": "x"}, {"prompt": "consent"}):
            answer = client.get(address) if fields is None else client.post(address, data=fields)
            while answer.status_code in (302, 303):
                address = str(answer.url.join(answer.headers["location"]))
                if "/login/callback" in address:
                    return address
                answer = client.get(address)
            assert answer.status_code == 200, answer.text
            address = str(answer.url)
    raise AssertionError("the service did not lead back")


@pytest.mark.parametrize(("person", "to"), [(ONE, "/"), (SEVERAL, "/assignment")])
def test_logging_in_at_a_real_service(real: Instance, person: str, to: str) -> None:
    """Would break: what our own stand-in lets pass, a real service does not, or the reverse."""
    browser = Browser(real.url)
    browser.get("/login")
    answer = browser.get("/login/service/0")
    assert answer.status_code == 303, answer.text
    back = at_the_service(answer.headers["location"], person).removeprefix(browser.url)
    before = dict(browser.cookies)
    answer = browser.get(back)
    assert answer.status_code == 200, answer.text
    assert f"url={to}" in answer.text
    if to == "/":
        assert claims(browser.session)["sub"] == person
    replay = Browser(real.url)
    replay.cookies = before
    assert replay.get(back).status_code == 401


def test_who_the_record_does_not_know(real: Instance) -> None:
    """Would break: everybody whom the service knows comes in."""
    browser = Browser(real.url)
    browser.get("/login")
    address = browser.get("/login/service/0").headers["location"]
    assert browser.get(at_the_service(address, "TSTVAKA0001-P999").removeprefix(browser.url)).status_code == 401
    assert browser.session is None
