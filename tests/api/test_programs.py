"""Tokens for programs: OAuth 2 client credentials with signed assertions (SMART Backend Services), and every way to get one
without a right to it. https://hl7.org/fhir/smart-app-launch/client-confidential-asymmetric.html"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.accesses import events
from tests.api.programs import KID, Program, dsn, known, program
from tests.client import Api, outcome
from tests.conftest import Instance
from tests.waiting import until

from vaka.api.assertions import public_keys
from vaka.api.keyring import Keyring
from vaka.api.slowing import FREE_FAILURES
from vaka.journal import clients

__all__ = ["program"]


def refused(answer: httpx.Response, status: int, error: str) -> str:
    """An error of OAuth that gives nothing away; its description."""
    assert answer.status_code == status, answer.text
    told = answer.json()
    assert told["error"] == error
    assert "access_token" not in told
    assert answer.headers["cache-control"].count("no-store")
    return str(told["error_description"])


def test_a_signed_assertion_gives_a_token(program: Callable[..., Program]) -> None:
    """Broken: a registered program cannot get in, or its token does not say what it allows and for how long."""
    one = program("system/Patient.rs", "system/Observation.rs?category=laboratory")
    answer = one.ask()
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert (told["token_type"], told["expires_in"]) == ("bearer", 300)
    assert set(told["scope"].split()) == {"system/Patient.rs", "system/Observation.rs?category=laboratory"}
    claims = jwt.decode(told["access_token"], options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == 300
    assert Api(one.journal.url, told["access_token"]).get("/Patient?_count=1").status_code == 200


@pytest.mark.parametrize("kind", ["rsa", "ed25519"])
def test_other_algorithms(program: Callable[..., Program], kind: str) -> None:
    """Broken: RS384, which the standard demands of every server, or EdDSA, is not taken."""
    key: Any
    if kind == "rsa":
        key, algorithm = rsa.generate_private_key(65537, 2048), "RS384"
        jwk = jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    else:
        key, algorithm = ed25519.Ed25519PrivateKey.generate(), "EdDSA"
        jwk = jwt.algorithms.OKPAlgorithm.to_jwk(key.public_key(), as_dict=True)
    one = program("system/Patient.rs", key=key, jwk={**jwk, "kid": KID})
    one.algorithm = algorithm
    assert one.ask().status_code == 200


def test_it_is_described(journal: Instance) -> None:
    """Broken: a program cannot find out where tokens are."""
    for address in ("/.well-known/smart-configuration", "/fhir/.well-known/smart-configuration"):
        answer = httpx.get(journal.url + address)
        assert answer.status_code == 200
        told = answer.json()
        assert told["token_endpoint"] == f"{journal.url}/auth/token"
        assert "private_key_jwt" in told["token_endpoint_auth_methods_supported"]
        assert {"RS384", "ES384"} <= set(told["token_endpoint_auth_signing_alg_values_supported"])
    security = httpx.get(journal.url + "/fhir/metadata").json()["rest"][0]["security"]
    assert security["extension"][0]["extension"][0]["valueUri"] == f"{journal.url}/auth/token"


# Assertions that are not what they must be ----------------------------------------------------------------------------


def test_an_assertion_is_taken_once(program: Callable[..., Program]) -> None:
    """Broken: who has seen an assertion can use it again."""
    one = program("system/Patient.rs")
    assertion = one.assertion()
    assert one.ask(assertion).status_code == 200
    refused(one.ask(assertion), 401, "invalid_client")
    refused(one.ask(one.assertion(jti=one.claims()["jti"] * 7)), 401, "invalid_client")
    again = one.assertion(jti="same")
    assert one.ask(again).status_code == 200
    refused(one.ask(one.assertion(jti="same")), 401, "invalid_client")


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": -60.0}, {"exp": 3_600.0}, {"exp": None}, {"exp": "soon"}, {"jti": None}, {"jti": ""},
        {"jti": 7}, {"aud": None}, {"aud": "https://elsewhere.example.org/auth/token"}, {"aud": "vaka"}, {"aud": []},
        {"iss": "somebody"}, {"iss": None}, {"sub": "somebody"}, {"sub": None}, {"sub": ""}, {"nbf": 600.0},
        {"iat": 600.0}, {"sub": "' OR 1=1 --"},
    ],
)  # fmt: skip
def test_claims_that_are_not_as_they_must_be(program: Callable[..., Program], claims: dict[str, Any]) -> None:
    """Broken: an expired, undated, foreign or too durable assertion opens the record. Floats: seconds from now."""
    one = program("system/Patient.rs")
    asked: dict[str, Any] = {
        name: int(time.time() + value) if isinstance(value, float) else value for name, value in claims.items()
    }
    refused(one.ask(one.assertion(**asked)), 401, "invalid_client")


def test_an_audience_among_others_is_another_audience(program: Callable[..., Program]) -> None:
    """Broken: an assertion made for two servers is taken by the one to be used at the other."""
    one = program("system/Patient.rs")
    refused(one.ask(one.assertion(aud=[one.address, "https://elsewhere.example.org/"])), 401, "invalid_client")


def test_a_name_that_is_not_ours_is_no_audience(program: Callable[..., Program]) -> None:
    """Broken: who got an assertion for another server uses it here by naming that server in Host."""
    one = program("system/Patient.rs")
    form = {
        "grant_type": "client_credentials",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": one.assertion(aud="http://elsewhere.example.org/auth/token"),
    }
    answer = httpx.post(one.address, data=form, headers={"Host": "elsewhere.example.org"})
    refused(answer, 401, "invalid_client")


def segment(content: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()


def test_confused_algorithms(program: Callable[..., Program]) -> None:
    """Broken: the header of an assertion chooses how it is verified (RFC 8725, 2.1)."""
    key = rsa.generate_private_key(65537, 2048)
    jwk = {**jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": KID}
    one = program("system/Patient.rs", key=key, jwk=jwk)
    unsigned = f"{segment({'alg': 'none', 'kid': KID})}.{segment(one.claims())}."
    refused(one.ask(unsigned), 401, "invalid_client")
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    import hashlib
    import hmac

    signed = f"{segment({'alg': 'HS256', 'kid': KID})}.{segment(one.claims())}"
    mac = base64.urlsafe_b64encode(hmac.new(public, signed.encode(), hashlib.sha256).digest()).rstrip(b"=").decode()
    refused(one.ask(f"{signed}.{mac}"), 401, "invalid_client")
    for weaker in ("RS256", "RS512", "PS384"):
        refused(one.ask(jwt.encode(one.claims(), key, weaker, headers={"kid": KID})), 401, "invalid_client")


def test_headers_that_bring_a_key_are_not_looked_at(program: Callable[..., Program]) -> None:
    """Broken: whoever makes a key pair is anybody: jwk, jku, x5u and kid are the sender's own words."""
    one, other = program("system/Patient.rs"), ec.generate_private_key(ec.SECP384R1())
    own = jwt.algorithms.ECAlgorithm.to_jwk(other.public_key(), as_dict=True)
    for headers in (
        {"jwk": own}, {"jku": "http://127.0.0.1:9/keys"}, {"x5u": "http://127.0.0.1:9/x"}, {"kid": "../../etc/passwd"},
        {"kid": "nothing"}, {"kid": ""}, {"crit": ["exp"], "exp": 1},
    ):  # fmt: skip
        forged = jwt.encode(one.claims(), other, "ES384", headers={"kid": KID, **headers})
        refused(one.ask(forged), 401, "invalid_client")
    # With the right key they change nothing.
    assert one.ask(one.assertion(headers={"jku": "http://127.0.0.1:9/keys", "jwk": own})).status_code == 200


def test_one_program_is_not_another(program: Callable[..., Program]) -> None:
    """Broken: a program's key signs for another program."""
    one, other = program("system/Patient.rs"), program("system/*.*")
    refused(one.ask(one.assertion(iss=other.name, sub=other.name)), 401, "invalid_client")
    refused(one.ask(client_id=other.name), 401, "invalid_client")
    assert one.ask(client_id=one.name).status_code == 200


@pytest.mark.parametrize("rubbish", ["", "x", "é.é.é", "e30.e30.e30", "A" * 9_000])
def test_rubbish_is_refused(program: Callable[..., Program], rubbish: str) -> None:
    """Broken: what is no JWT ends in a fault."""
    one = program("system/Patient.rs")
    refused(one.ask(rubbish), 401 if rubbish else 400, "invalid_client" if rubbish else "invalid_request")


def test_what_was_wrong_stands_in_the_log_alone(program: Callable[..., Program]) -> None:
    """Broken: who tries learns which part was right; or the operator cannot see why a program does not get in."""
    one = program("system/Patient.rs")
    told = {
        refused(one.ask(a), 401, "invalid_client")
        for a in (one.assertion(sub="nobody", iss="nobody"), one.assertion(aud="x"))
    }
    assert len(told) == 1
    log = (one.journal.data / "log" / "journal.jsonl").read_text()
    assert "made for another address" in log
    assert "no client nobody" in log


# Requests that are not what they must be ------------------------------------------------------------------------------


def test_requests_of_another_form(program: Callable[..., Program]) -> None:
    """Broken: a secret may stand in an address, or a form is read in more ways than one."""
    one = program("system/Patient.rs")
    form = {
        "grant_type": "client_credentials",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": one.assertion(),
    }
    assert httpx.post(one.address, params=form).status_code == 400
    assert httpx.get(one.address).status_code == 405
    refused(httpx.post(one.address, params={"x": "1"}, data=form), 400, "invalid_request")
    refused(httpx.post(one.address, json=form), 400, "invalid_request")
    refused(httpx.post(one.address, data={**form, "grant_type": "password"}), 400, "unsupported_grant_type")
    refused(httpx.post(one.address, data={**form, "client_assertion_type": "x"}), 400, "invalid_request")
    refused(httpx.post(one.address, data={**form, "client_secret": "x"}), 400, "invalid_request")
    twice = "grant_type=client_credentials&grant_type=client_credentials"
    sent = {"Content-Type": "application/x-www-form-urlencoded"}
    refused(httpx.post(one.address, content=twice, headers=sent), 400, "invalid_request")
    refused(httpx.post(one.address, content=b"\xff\xfe", headers=sent), 400, "invalid_request")
    assert httpx.post(one.address, data=form).status_code == 200


@pytest.mark.parametrize(
    "scope",
    [
        "system/*.*", "system/Patient.cruds", "system/Condition.rs", "feed", "system/Observation.rs", "nonsense",
        "system/Patient.rs system/Patient.sr", "system/Observation.rs?category=imaging", "patient/Patient.rs", "openid",
    ],
)  # fmt: skip
def test_no_more_than_is_registered(program: Callable[..., Program], scope: str) -> None:
    """Broken: a program chooses its own rights."""
    one = program("system/Patient.rs", "system/Observation.rs?category=laboratory")
    refused(one.ask(scope=scope), 400, "invalid_scope")


def test_less_than_is_registered(program: Callable[..., Program]) -> None:
    """Broken: a program cannot ask for less, or gets more than it asked for."""
    one = program("system/*.cruds")
    answer = one.ask(scope="system/Patient.r")
    assert answer.json()["scope"] == "system/Patient.r"
    narrow = Api(one.journal.url, answer.json()["access_token"])
    outcome(narrow.get("/Patient?_count=1"), 403)
    outcome(narrow.get("/Observation?_count=1"), 404)


# Tokens ------------------------------------------------------------------------------------------------------------------


def test_removing_a_program_ends_its_tokens(program: Callable[..., Program]) -> None:
    """Broken: a program that was removed goes on for five minutes; or one of the same name takes over its tokens."""
    one = program("system/Patient.rs")
    api = one.api()
    assert api.get("/Patient?_count=1").status_code == 200
    one.remove()
    until(lambda: api.get("/Patient?_count=1").status_code != 200, "it is refused")
    outcome(api.get("/Patient?_count=1"), 401)
    refused(one.ask(), 401, "invalid_client")
    key = {**jwt.algorithms.ECAlgorithm.to_jwk(one.key.public_key(), as_dict=True), "kid": KID}
    clients.add(dsn(one.journal), one.name, [key], "system/*.cruds", None)
    known(one.journal)
    outcome(api.get("/Patient?_count=1"), 401)


def test_forged_tokens(journal: Instance, client: Callable[..., Api]) -> None:
    """Broken: a token that this server did not sign is taken."""
    ring, stranger = Keyring(journal.data, "token"), ed25519.Ed25519PrivateKey.generate()
    now = int(time.time())
    claims = {"iss": "vaka", "aud": "vaka", "sub": "x", "scope": "system/*.*", "iat": now, "exp": now + 300, "jti": "1"}
    headers = {"kid": ring.kid}
    own = ring.private
    public = own.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    raw = own.public_key().public_bytes_raw()
    import hashlib
    import hmac

    def hs256(secret: bytes) -> str:
        signed = f"{segment({'alg': 'HS256', 'kid': ring.kid, 'typ': 'JWT'})}.{segment(claims)}"
        mac = hmac.new(secret, signed.encode(), hashlib.sha256).digest()
        return f"{signed}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"

    forged = [
        jwt.encode(claims, stranger, "EdDSA", headers=headers),
        jwt.encode(claims, stranger, "EdDSA", headers={"kid": "0123456789abcdef"}),
        jwt.encode(claims, stranger, "EdDSA", headers={"kid": "../page"}),
        jwt.encode(
            claims, stranger, "EdDSA", headers={**headers, "jku": "http://127.0.0.1:9/", "x5u": "http://127.0.0.1:9/"}
        ),
        f"{segment({'alg': 'none', 'kid': ring.kid})}.{segment(claims)}.",
        hs256(public),
        hs256(raw),
        jwt.encode({**claims, "exp": now - 1}, own, "EdDSA", headers=headers),
        jwt.encode({**claims, "aud": "elsewhere"}, own, "EdDSA", headers=headers),
        jwt.encode({**claims, "iss": "elsewhere"}, own, "EdDSA", headers=headers),
        jwt.encode({k: v for k, v in claims.items() if k != "exp"}, own, "EdDSA", headers=headers),
        jwt.encode({**claims, "scope": "system/*.* patient/*.rs"}, own, "EdDSA", headers=headers),
        jwt.encode({**claims, "sub": "client:nobody", "client": 1}, own, "EdDSA", headers=headers),
        jwt.encode(claims, own, "EdDSA", headers=headers)[:-4] + "AAAA",
    ]
    for token in forged:
        issues = outcome(Api(journal.url, token).get("/Patient?_count=1"), 401)
        assert issues[0]["code"] == "login"
    assert (
        Api(journal.url, jwt.encode(claims, own, "EdDSA", headers=headers)).get("/Patient?_count=1").status_code == 200
    )


def test_a_token_in_an_address_is_refused(journal: Instance, api: Api) -> None:
    """Broken: tokens end up in logs and histories of addresses."""
    token = journal.token("x")
    outcome(httpx.get(f"{journal.url}/fhir/Patient", params={"access_token": token}), 400)
    outcome(api.get("/Patient", params={"access_token": token}), 400)
    assert token not in (journal.data / "log" / "requests.log").read_text()


def test_who_fails_again_and_again_waits(program: Callable[..., Program]) -> None:
    """Broken: assertions can be guessed at full speed; or somebody else's failures lock a program out."""
    one, other = program("system/Patient.rs"), program("system/Patient.rs")
    began = time.monotonic()
    for _ in range(FREE_FAILURES):
        refused(one.ask(one.assertion(aud="x")), 401, "invalid_client")
    quick = time.monotonic() - began
    began = time.monotonic()
    refused(one.ask(one.assertion(aud="x")), 401, "invalid_client")
    assert time.monotonic() - began > max(0.2, quick / FREE_FAILURES)
    assert other.ask().status_code == 200
    assert one.ask().status_code == 200  # slowed, never locked out


# Registering -------------------------------------------------------------------------------------------------------------


def test_only_public_keys_are_registered() -> None:
    """Broken: a private key lands in the database, or a key that is too weak is taken."""
    from cryptography.hazmat.primitives.serialization import NoEncryption, PrivateFormat

    from vaka.errors import Invalid

    private = ec.generate_private_key(ec.SECP384R1())
    with_private = {**jwt.algorithms.ECAlgorithm.to_jwk(private, as_dict=True), "kid": "1"}
    weak_curve = {
        **jwt.algorithms.ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()).public_key(), as_dict=True),
        "kid": "1",
    }
    short = {
        **jwt.algorithms.RSAAlgorithm.to_jwk(rsa.generate_private_key(65537, 1024).public_key(), as_dict=True),
        "kid": "1",
    }
    good = {**jwt.algorithms.ECAlgorithm.to_jwk(private.public_key(), as_dict=True), "kid": "1"}
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for bad in (
        json.dumps({"keys": [with_private]}).encode(), json.dumps({"keys": [weak_curve]}).encode(), pem, b"", b"[]", b"{}", b"x",
        json.dumps({"keys": [short]}).encode(), json.dumps({"keys": [good, good]}).encode(), json.dumps({"keys": []}).encode(),
        json.dumps({"keys": [{"kty": "oct", "k": "AAAA", "kid": "1"}]}).encode(), json.dumps({"keys": [{**good, "use": "enc"}]}).encode(),
        json.dumps({"keys": [{k: v for k, v in good.items() if k != "kid"}]}).encode(), json.dumps({"keys": [7]}).encode(),
        json.dumps({"keys": [{**good, "alg": "HS256"}]}).encode(), json.dumps({"keys": [{**good, "x": "AA"}]}).encode(),
        b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----",
    ):  # fmt: skip
        with pytest.raises(Invalid):
            public_keys(bad)
    public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    assert {key["kty"] for key in public_keys(public)} == {"EC"}
    assert "d" not in public_keys(json.dumps({"keys": [good]}).encode())[0]


def test_what_was_asked_for_is_logged(journal: Instance, program: Callable[..., Program]) -> None:
    """Broken: nobody can tell who has had a token, or who has tried to get one."""
    one = program("system/Patient.rs")
    assert one.ask(one.assertion()).status_code == 200
    refused(one.ask(one.assertion(aud="https://elsewhere.example.org/")), 401, "invalid_client")
    logged = [(e.record.activity, e.record.actor.principal, e.record.reason) for e in events(journal.data)]
    given = [(principal, reason) for activity, principal, reason in logged if activity == "token"]
    assert given[-1][0].startswith("client:")
    assert given[-1][1] == "system/Patient.rs"
    assert "another address" in [reason for activity, _, reason in logged if activity == "token-refused"][-1]
