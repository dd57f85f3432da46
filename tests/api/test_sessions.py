"""Sessions of people over HTTP: what is forged, expired, replayed, revoked or of another kind opens nothing."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.client import Api, outcome
from tests.conftest import Instance

from vaka.api.keyring import Keyring
from vaka.api.sessions import AUDIENCE, TYPE

WHO: dict[str, Any] = {"person": "TSTVAKA0009-P1", "practitioner": "p1", "unit": "u1", "provider": "v1"}
INSIDE = "/openapi.json"
"""An address that needs to know who asks, and nothing of the record."""


def ask(journal: Instance, token: str, address: str = INSIDE, **more: Any) -> httpx.Response:
    return httpx.get(f"{journal.url}/fhir{address}", headers={"Authorization": f"Bearer {token}"}, **more)


def claims_of(token: str) -> dict[str, Any]:
    return dict(jwt.decode(token, options={"verify_signature": False}))


def signed(
    journal: Instance, claims: dict[str, Any], *, key: Any = None, algorithm: str = "EdDSA", **header: Any
) -> str:
    keys = Keyring(journal.data, "session")
    return jwt.encode(claims, key or keys.private, algorithm, headers={"kid": keys.kid, "typ": TYPE, **header})


def test_a_session_says_who_asks(journal: Instance) -> None:
    """Would break: who has a session is known by it, wherever it was made with the region's key."""
    token = journal.session(**WHO)
    assert ask(journal, token).status_code == 200
    cookie = {"Cookie": f"__Host-vaka={token}"}
    assert httpx.get(f"{journal.url}/fhir{INSIDE}", headers=cookie).status_code == 200
    assert httpx.get(f"{journal.url}/fhir{INSIDE}", headers={"Cookie": f"vaka={token}"}).status_code == 401


def test_what_is_not_a_session_opens_nothing(journal: Instance) -> None:
    """Would break: forged, altered, unsigned, mis-signed and mis-typed sessions, and tokens of programs that call themselves one."""
    good = journal.session(**WHO)
    head, body, signature = good.split(".")
    claims = claims_of(good)
    keys = Keyring(journal.data, "session")
    public = keys.private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    raw = keys.private.public_key().public_bytes_raw()
    program = journal.token("program")
    forged = {
        "changed": f"{head}.{base64.urlsafe_b64encode(json.dumps(claims | {'sub': 'X'}).encode()).decode().rstrip('=')}.{signature}",
        "unsigned": f"{head}.{body}.",
        "none": jwt.encode(claims, "", "none", headers={"kid": keys.kid, "typ": TYPE}),
        "HS256 with the public key": hmac_signed(claims, raw, keys.kid),
        "HS256 with the public PEM": hmac_signed(claims, public, keys.kid),
        "another key": signed(journal, claims, key=Ed25519PrivateKey.generate()),
        "another kid": signed(journal, claims, kid="0" * 16),
        "kid as a path": signed(journal, claims, kid="../token.key"),
        "the key of programs": signed(journal, claims, key=Keyring(journal.data, "token").private),
        "the key of programs, its kid": signed(
            journal, claims, key=Keyring(journal.data, "token").private, kid=Keyring(journal.data, "token").kid
        ),
        "audience": signed(journal, claims | {"aud": "vaka"}),
        "audiences": signed(journal, claims | {"aud": [AUDIENCE, "vaka"]}),
        "issuer": signed(journal, claims | {"iss": "elsewhere"}),
        "no expiry": signed(journal, {name: value for name, value in claims.items() if name != "exp"}),
        "expired": signed(journal, claims | {"exp": int(time.time()) - 31}),
        "from the future": signed(journal, claims | {"iat": int(time.time()) + 60}),
        "no assignment": signed(journal, {name: value for name, value in claims.items() if name != "assignment"}),
        "unknown right": signed(journal, claims | {"assignment": claims["assignment"] | {"rights": ["all"]}}),
        "assignment of text": signed(journal, claims | {"assignment": "all"}),
        "long": signed(journal, claims | {"name": "x" * 5_000}),
        "a program's that calls itself a session": signed(journal, claims_of(program), key=Keyring(journal.data, "token").private),
        "a session that calls itself a program's": jwt.encode(
            claims, keys.private, "EdDSA", headers={"kid": keys.kid, "typ": "JWT"}
        ),
    }  # fmt: skip
    for what, token in forged.items():
        answer = ask(journal, token)
        assert answer.status_code == 401, what
        assert outcome(answer, 401)[0]["code"] == "login", what
        cookie = httpx.get(f"{journal.url}/fhir{INSIDE}", headers={"Cookie": f"__Host-vaka={token}"})
        assert cookie.status_code == 401, what
        told = answer.text.lower()
        assert not any(word in told for word in ("signature", "algorithm", "audience", "kid", "expired at")), told
    assert ask(journal, program).status_code == 200
    assert httpx.get(f"{journal.url}/fhir{INSIDE}", headers={"Cookie": f"__Host-vaka={program}"}).status_code == 401
    assert ask(journal, good).status_code == 200


def hmac_signed(claims: dict[str, Any], key: bytes, kid: str) -> str:
    """A token whose signature is an HMAC with a key that everybody may know (algorithm confusion)."""
    import hmac

    def part(content: bytes) -> bytes:
        return base64.urlsafe_b64encode(content).rstrip(b"=")

    head = json.dumps({"alg": "HS256", "typ": TYPE, "kid": kid}).encode()
    signing = part(head) + b"." + part(json.dumps(claims).encode())
    return (signing + b"." + part(hmac.digest(key, signing, "sha256"))).decode()


def test_clocks_may_differ_by_half_a_minute(journal: Instance) -> None:
    """Would break: a copy whose clock is a little off locks everybody out; one that is far off is not believed."""
    claims = claims_of(journal.session(**WHO))
    now = int(time.time())
    assert ask(journal, signed(journal, claims | {"exp": now - 15})).status_code == 200
    assert ask(journal, signed(journal, claims | {"iat": now + 15})).status_code == 200
    assert ask(journal, signed(journal, claims | {"exp": now - 45})).status_code == 401


@pytest.mark.parametrize("where", ["access_token={}", "x={}", "session={}", "Authorization=Bearer%20{}"])
def test_a_token_in_an_address_is_refused(journal: Instance, where: str) -> None:
    """Would break: a token that stands in a browser's history, a proxy's log or ours."""
    token = journal.session(**WHO)
    headers = {"Authorization": f"Bearer {token}"}
    for address in (f"/fhir/Patient?{where.format(token)}", f"/login?{where.format(token)}"):
        assert httpx.get(journal.url + address, headers=headers).status_code == 400
    assert httpx.get(f"{journal.url}/fhir/{token}", headers=headers).status_code == 400
    time.sleep(0.6)  # the log of requests is written a few times a second
    for path in journal.data.glob("log/*"):
        if path.is_file():
            assert token.encode() not in path.read_bytes()


def test_a_cookie_alone_changes_nothing(journal: Instance, api: Api, tag: str) -> None:
    """Would break: another site's page writes with the cookie of who looks at it (CSRF), or a form of ours for somebody else does."""
    token = journal.session(**WHO)
    body = {"resourceType": "Patient", "id": tag}
    base = {"Cookie": f"__Host-vaka={token}"}
    own = {"Origin": journal.url}
    other = journal.session(**WHO)
    from vaka.api.cookies import Proof
    from vaka.api.secrets import secret

    proof = Proof(secret(journal.data, "form.key"))
    mine = {"X-CSRF-Token": proof.token(claims_of(token)["jti"])}
    for headers in (
        {}, own, mine, own | {"X-CSRF-Token": proof.token(claims_of(other)["jti"])}, own | {"X-CSRF-Token": ""},
        mine | {"Origin": "https://evil.example"}, mine | {"Origin": "null"}, mine | {"Sec-Fetch-Site": "cross-site"},
        mine | {"Sec-Fetch-Site": "same-site"}, mine | {"Origin": journal.url.replace("127.0.0.1", "127.0.0.1.evil.example")},
    ):  # fmt: skip
        for method in ("PUT", "DELETE", "PATCH"):
            answer = httpx.request(method, f"{journal.url}/fhir/Patient/{tag}", headers=base | headers, json=body)
            assert answer.status_code == 403, headers
            assert "sent from" in answer.text, answer.text
    assert api.get(f"/Patient/{tag}").status_code == 404
    # The right proof gets past this door, to the rules of the record.
    answer = httpx.put(f"{journal.url}/fhir/Patient/{tag}", headers=base | own | mine, json=body)
    assert "sent from" not in answer.text
    assert httpx.get(f"{journal.url}/fhir{INSIDE}", headers=base).status_code == 200


def test_two_cookies_of_one_name_are_none(journal: Instance) -> None:
    """Would break: a cookie planted beside the real one decides who one is."""
    token, other = journal.session(**WHO), journal.session(**WHO | {"person": "TSTVAKA0009-P2"})
    headers = {"Cookie": f"__Host-vaka={token}; __Host-vaka={other}"}
    assert httpx.get(f"{journal.url}/fhir{INSIDE}", headers=headers).status_code == 401


def role(tag: str, **members: Any) -> dict[str, Any]:
    licence = {"coding": [{"system": "urn:oid:1.2.752.116.3.1.3", "code": "LK"}], "text": "Läkare"}
    return {
        "resourceType": "PractitionerRole", "id": f"role-{tag}", "active": True, "code": [licence],
        "practitioner": {"reference": f"Practitioner/p-{tag}"}, "organization": {"reference": f"Organization/u-{tag}"}, **members,
    }  # fmt: skip


@pytest.fixture
def staffed(api: Api, tag: str) -> dict[str, Any]:
    """A person with one assignment, in the record. What ``Instance.session`` takes."""
    hsa = f"TSTVAKA0009-P{tag[:10].upper()}"
    system = "urn:oid:1.2.752.129.2.1.4.1"
    api.make({"resourceType": "Organization", "id": f"v-{tag}", "name": "Provider"})
    api.make(
        {
            "resourceType": "Organization",
            "id": f"u-{tag}",
            "name": "Unit",
            "partOf": {"reference": f"Organization/v-{tag}"},
        }
    )
    api.make(
        {
            "resourceType": "Practitioner",
            "id": f"p-{tag}",
            "identifier": [{"system": system, "value": hsa}],
            "name": [{"family": "Test"}],
        }
    )
    api.make(role(tag))
    return {
        "person": hsa,
        "practitioner": f"p-{tag}",
        "unit": f"u-{tag}",
        "provider": f"v-{tag}",
        "assignment": f"role-{tag}",
    }


def older(journal: Instance, token: str, seconds: int) -> str:
    """The same session, made or last renewed so long ago."""
    claims = claims_of(token)
    return signed(
        journal,
        claims
        | {
            "iat": claims["iat"] - seconds,
            "exp": claims["exp"] - seconds,
            "auth_us": claims["auth_us"] - seconds * 1_000_000,
        },
    )


@pytest.mark.parametrize(
    "ended",
    [
        {"active": False},
        {"period": {"end": "2020-01-01"}},
        {"period": {"start": "2999-01-01"}},
        {"organization": {"reference": "Organization/other"}},
        {"code": [{"text": "trädgårdsmästare"}]},
    ],
)  # fmt: skip
def test_an_assignment_that_has_ended_ends_its_sessions(
    journal: Instance, api: Api, tag: str, staffed: dict[str, Any], ended: dict[str, Any]
) -> None:
    """Would break: who was taken out of a unit a minute ago reads on with the session of before."""
    token = journal.session(**staffed)
    young, old = older(journal, token, 50), older(journal, token, 61)
    assert ask(journal, old).status_code == 200
    if "organization" in ended:
        api.make({"resourceType": "Organization", "id": f"other-{tag}", "name": "Other"})
        ended = {"organization": {"reference": f"Organization/other-{tag}"}}
    api.make(role(tag, **ended))
    again = older(journal, journal.session(**staffed), 61)
    answer = ask(journal, again)
    if "code" in ended:  # nothing is left of the rights: the record's rules refuse what there is to read
        assert answer.status_code in (200, 401, 403)
    else:
        assert outcome(answer, 401)[0]["diagnostics"].startswith("your assignment has ended")
        # A browser's session of five minutes asks to be renewed, and is not.
        browser = httpx.get(
            journal.url + "/", headers={"Cookie": f"__Host-vaka={older(journal, journal.session(**staffed), 301)}"}
        )
        assert browser.status_code == 401
        assert "__Host-vaka=;" in browser.headers["set-cookie"]
    assert ask(journal, young).status_code in (200, 401)  # looked up within this minute, or not yet


def test_a_session_is_renewed_while_it_is_used(journal: Instance, staffed: dict[str, Any]) -> None:
    """Would break: a clinician is thrown out in the middle of work; or a stolen cookie lives for ever."""
    token = older(journal, journal.session(**staffed), 400)
    answer = httpx.get(f"{journal.url}/fhir{INSIDE}", headers={"Cookie": f"__Host-vaka={token}"})
    assert answer.status_code == 200
    name, _, rest = answer.headers["set-cookie"].partition("=")
    assert name == "__Host-vaka"
    assert {"HttpOnly", "Secure", "SameSite=Strict", "Path=/"} <= {part.strip() for part in rest.split(";")}
    renewed, before = claims_of(rest.partition(";")[0]), claims_of(token)
    assert renewed["jti"] == before["jti"]
    assert renewed["auth_us"] == before["auth_us"]
    assert renewed["exp"] >= before["exp"] + 390
    assert renewed["assignment"]["rights"] == before["assignment"]["rights"]
    # Not beyond twelve hours after the login.
    claims = claims_of(token)
    eleven = claims | {"auth_us": int((time.time() - 11.9 * 3_600) * 1e6), "exp": int(time.time()) + 200}
    answer = httpx.get(f"{journal.url}/fhir{INSIDE}", headers={"Cookie": f"__Host-vaka={signed(journal, eleven)}"})
    renewed = claims_of(answer.headers["set-cookie"].partition("=")[2].partition(";")[0])
    assert renewed["exp"] <= eleven["auth_us"] / 1e6 + 12 * 3_600
    over = claims | {"auth_us": int((time.time() - 12.01 * 3_600) * 1e6)}
    answer = httpx.get(f"{journal.url}/fhir{INSIDE}", headers={"Cookie": f"__Host-vaka={signed(journal, over)}"})
    assert answer.status_code == 401


def test_a_renewal_never_widens(journal: Instance, staffed: dict[str, Any]) -> None:
    """Would break: what a login was limited to comes back when it is renewed."""
    from vaka.access.session import Right

    token = older(journal, journal.session(**staffed, rights=frozenset({Right.READ})), 400)
    answer = httpx.get(f"{journal.url}/fhir{INSIDE}", headers={"Cookie": f"__Host-vaka={token}"})
    renewed = claims_of(answer.headers["set-cookie"].partition("=")[2].partition(";")[0])
    assert renewed["assignment"]["rights"] == ["read"]


def test_a_program_keeps_its_token(client: Callable[..., Api]) -> None:
    """Would break: sessions must not have taken the place of tokens."""
    assert client("program").get(INSIDE).status_code == 200
