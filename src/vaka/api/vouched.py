"""What vouches for a session that a copy signed, beside the copy's own key: a stolen copy must not be the region (traps: Trust).

A copy's session says what it rests on, and every verifier looks: either ``root``, the token of the same session as the
journal, or a copy with proof, signed it first (then it was only renewed), or ``proof``, what the person's passkey signed at the
login. The challenge that the passkey signed names the copy's key and the time, so that it proves a login there, then, and nothing
else. Without either a copy's session is worth nothing, except a demo's where this is a demo.

Invariant: with its key alone, a copy that was stolen can be nobody; with what it has seen it can go on being who was logged in
there, for twelve hours after their login at most, and until the key or the session is ended.
"""

from __future__ import annotations

import base64
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final
from urllib.parse import urlsplit

import orjson

from vaka import config
from vaka.access.session import Session
from vaka.api.proofs import Against, Answer, Proofs
from vaka.store.accounts import Passkey

_MALFORMED: Final = (ValueError, TypeError, KeyError, AttributeError)


@dataclass(frozen=True, slots=True)
class Vouched:
    """A session that the copy with key ``kid`` has made. ``proof``: what the passkey signed; None for a demo's."""

    kid: str
    proof: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Offered:
    """A challenge as a copy makes it, and what of it goes into the proof."""

    challenge: bytes
    nonce: str
    at_us: int


def offer(kid: str) -> Offered:
    """A challenge that names this copy's key and this time."""
    nonce, at_us = base64.urlsafe_b64encode(os.urandom(24)).decode(), time.time_ns() // 1_000
    return Offered(_challenge(kid, nonce, at_us), nonce, at_us)


def _challenge(kid: str, nonce: str, at_us: int) -> bytes:
    return sha256(f"vaka login at a copy\0{kid}\0{at_us}\0{nonce}".encode()).digest()


def proof_of(told: Mapping[str, Any], nonce: str, at_us: int) -> dict[str, Any]:
    """What a session carries of an authenticator's answer ``told`` to a challenge."""
    response = told["response"]
    return {
        "c": told["rawId"], "a": response["authenticatorData"], "d": response["clientDataJSON"], "s": response["signature"],
        "n": nonce, "t": at_us,
    }  # fmt: skip


def credential_of(vouched: Vouched) -> bytes:
    """The passkey that a proof is of. ValueError where there is none."""
    try:
        return base64.urlsafe_b64decode(f"{(vouched.proof or {})['c']}===")
    except _MALFORMED as error:
        raise ValueError("the proof names no passkey") from error


def check(
    vouched: Vouched, session: Session, passkey: Passkey | None, *, demo: bool, proofs: Proofs | None = None
) -> None:
    """ValueError unless the proof is of a login of this session's person at this copy, when the session says it began.
    ``proofs``: those that were verified here are not verified again."""
    proof = vouched.proof
    if proof is None or passkey is None:
        raise ValueError("no passkey that is known here vouches for it")
    if passkey.person != session.person or (passkey.demo and not demo):
        raise ValueError("another person's passkey vouches for it, or a demo's")
    try:
        at_us = int(proof["t"])
        if not 0 <= session.began_us - at_us <= (config.LOGIN_MAX_S + config.CLOCK_SKEW_S) * 1_000_000:
            raise ValueError("the login that vouches for it was at another time")
        client = orjson.loads(base64.urlsafe_b64decode(f"{proof['d']}==="))
        origin = urlsplit(client["origin"])
        if origin.hostname != passkey.site or (origin.scheme != "https" and origin.hostname != "localhost"):
            raise ValueError("the passkey was used at another site")
        against = Against(
            _challenge(vouched.kid, str(proof["n"]), at_us), passkey.site, client["origin"], passkey.public_key
        )
        answer = Answer(proof["c"], proof["a"], proof["d"], proof["s"])
        if proofs is None or not proofs.hold(answer, against):
            _verify(answer, against)
    except _MALFORMED as error:
        raise ValueError(f"its proof does not hold: {error}") from error


def _verify(answer: Answer, against: Against) -> None:
    """ValueError unless a passkey gave this answer, its user verified."""
    import webauthn  # large: no start of a copy waits for it
    from webauthn.helpers.exceptions import WebAuthnException

    try:
        webauthn.verify_authentication_response(
            credential={
                "id": answer.credential, "rawId": answer.credential, "type": "public-key",
                "response": {
                    "authenticatorData": answer.data, "clientDataJSON": answer.client, "signature": answer.signature,
                },
            },
            expected_challenge=against.challenge, expected_rp_id=against.site, expected_origin=against.origin,
            credential_public_key=against.public_key, credential_current_sign_count=0, require_user_verification=True,
        )  # fmt: skip
    except WebAuthnException as error:
        raise ValueError(str(error)) from error


def same(first: Session, later: Session) -> bool:
    """Whether ``later`` is ``first`` renewed: the same person, assignment and login, with no more rights."""
    one, other = first.assignment, later.assignment
    return (
        (first.id, first.person, first.practitioner, first.began_us, first.way)
        == (later.id, later.person, later.practitioner, later.began_us, later.way)
        and (one.id, one.unit, one.provider, one.purpose) == (other.id, other.unit, other.provider, other.purpose)
        and other.rights <= one.rights
    )  # fmt: skip
