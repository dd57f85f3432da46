"""What this process has verified of a login at a copy is not verified again; whatever differs in anything is."""

from __future__ import annotations

import base64
import time
from dataclasses import replace
from typing import Any

import orjson
import pytest
from tests.authenticator import Authenticator

from vaka import config
from vaka.access.session import Assignment, Purpose, Right, Session
from vaka.api.proofs import Against, Answer, Proofs
from vaka.api.vouched import Offered, Vouched, check, offer, proof_of
from vaka.store.accounts import Passkey

KID = "0011223344556677"
ORIGIN = "https://localhost"


class Login:
    """One login at the copy with the key ``KID``, as it is kept in its session."""

    def __init__(self) -> None:
        self.authenticator = Authenticator()
        self.offered: Offered = offer(KID)
        told = self.authenticator.answer(_b64(self.offered.challenge), ORIGIN)
        self.proof: dict[str, Any] = proof_of(told, self.offered.nonce, self.offered.at_us)
        self.passkey = Passkey(
            self.authenticator.credential, "TSTVAKA0009-A1", "localhost", self.authenticator.public_key, 0, False
        )
        now_us = time.time_ns() // 1_000
        assignment = Assignment("role", "unit", "provider", Purpose.CARE, frozenset({Right.READ}), "Läkare")
        alive_us = config.SESSION_ALIVE_S * 1_000_000
        self.session = Session(
            "s1", "TSTVAKA0009-A1", "p1", "Åsa Lund", assignment, now_us, now_us + alive_us, "passkey"
        )

    def verified(self) -> Proofs:
        """What the process knows that has seen this login."""
        proofs = Proofs()
        answer = Answer(self.proof["c"], self.proof["a"], self.proof["d"], self.proof["s"])
        proofs.keep(answer, Against(self.offered.challenge, "localhost", ORIGIN, self.authenticator.public_key))
        return proofs


def _b64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


@pytest.fixture
def login() -> Login:
    return Login()


def test_what_was_verified_here_is_not_verified_again(login: Login, monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken: each first request after a login verifies a signature that this process has verified a moment ago."""
    check(Vouched(KID, login.proof), login.session, login.passkey, demo=False)
    monkeypatch.setattr("webauthn.verify_authentication_response", lambda **_: pytest.fail("it was verified again"))
    check(Vouched(KID, login.proof), login.session, login.passkey, demo=False, proofs=login.verified())


@pytest.mark.parametrize("part", ["a", "d", "s", "n", "t", "key", "kid", "person", "site", "time"])
def test_whatever_differs_is_refused_though_the_login_is_known(login: Login, part: str) -> None:
    """Broken: a stolen copy's session passes because another login was verified here."""
    proof, passkey, session, kid = dict(login.proof), login.passkey, login.session, KID
    if part in ("a", "s"):
        proof[part] = _b64(b"\1" + base64.urlsafe_b64decode(proof[part] + "==="))
    elif part == "d":
        told = orjson.loads(base64.urlsafe_b64decode(proof["d"] + "===")) | {"origin": "https://localhost:1"}
        proof["d"] = _b64(orjson.dumps(told))
    elif part == "n":
        proof["n"] = "another"
    elif part == "t":
        proof["t"] += 1
    elif part == "key":
        passkey = passkey._replace(public_key=Authenticator().public_key)
    elif part == "kid":
        kid = "7766554433221100"
    elif part == "person":
        passkey = passkey._replace(person="TSTVAKA0009-A2")
    elif part == "site":
        passkey = passkey._replace(site="example.org")
    else:
        session = replace(session, began_us=session.began_us + (config.LOGIN_MAX_S + 3_600) * 1_000_000)
    with pytest.raises(ValueError, match=r".+"):
        check(Vouched(kid, proof), session, passkey, demo=False, proofs=login.verified())
