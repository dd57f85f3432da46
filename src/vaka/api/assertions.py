"""Signed assertions of programs (private_key_jwt): their public keys, and who an assertion is from.

Invariants: the algorithm is the registered key's, never the one that a header names; a key is found by ``kid`` among the
client's own, and headers that point elsewhere (``jku``, ``x5u``, ``jwk``) are not looked at; what is wrong with an assertion is
told to the log alone. Source: https://hl7.org/fhir/smart-app-launch/client-confidential-asymmetric.html, RFC 7523, RFC 8725.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any, Final

import jwt
import orjson
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from vaka.errors import Invalid, Unauthenticated
from vaka.journal.clients import Client, Clients

ALGORITHMS: Final = ("RS384", "ES384", "EdDSA")
LIFETIME_MAX_S: Final = 300
CLOCK_SKEW_S: Final = 5
RSA_MIN_BITS: Final = 2_048
KEYS_MAX: Final = 10
ASSERTION_MAX_CHARS: Final = 8_192
_JTI_MAX_CHARS: Final = 200
_KID_MAX_CHARS: Final = 200
_SECRET: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_NEEDED: Final = ["exp", "iss", "sub", "aud", "jti"]


def public_keys(content: bytes) -> list[Mapping[str, Any]]:
    """The keys of a JWKS, or of one public key in PEM, each with its ``kid``. Invalid for a private, weak or unknown one."""
    if content.lstrip().startswith(b"-----BEGIN"):
        return [_of_pem(content)]
    try:
        found = orjson.loads(content)
        listed = found.get("keys", [found])
        keys = [_checked(one) for one in listed]
    except (orjson.JSONDecodeError, TypeError, AttributeError) as error:
        raise Invalid("this is neither a JSON Web Key Set nor a public key in PEM") from error
    kids = {key["kid"] for key in keys}
    if not 0 < len(keys) <= KEYS_MAX or len(kids) != len(keys):
        raise Invalid(f"a client has 1 to {KEYS_MAX} keys, each with a kid of its own")
    return keys


def client_of(assertion: str, clients: Clients, audiences: Sequence[str]) -> tuple[Client, str, float]:
    """Who signed ``assertion``, its ``jti``, and when it expires. Unauthenticated for whatever is not as it must be."""
    if len(assertion) > ASSERTION_MAX_CHARS:
        raise _unknown("longer than it may be")
    try:
        header = jwt.get_unverified_header(assertion)
        named = str(jwt.decode(assertion, options={"verify_signature": False}).get("sub", ""))
        client = clients.named(named)
        if client is None:
            raise _unknown(f"no client {named[:64]}")
        key = client.keys.get(str(header.get("kid", "")))
        if key is None:
            raise _unknown("signed by no key of this client")
        claims = jwt.decode(
            assertion, jwt.PyJWK(dict(key), _algorithm(key)), algorithms=[_algorithm(key)], issuer=named,
            leeway=CLOCK_SKEW_S, options={"require": _NEEDED, "verify_aud": False},
        )  # fmt: skip
    except (jwt.PyJWTError, ValueError, TypeError) as error:
        raise _unknown(str(error)) from error
    if not isinstance(claims["aud"], str) or claims["aud"] not in audiences:
        raise _unknown("made for another address than this one")
    if float(claims["exp"]) > time.time() + LIFETIME_MAX_S + CLOCK_SKEW_S:
        raise _unknown(f"valid for longer than {LIFETIME_MAX_S} s")
    if not isinstance(claims["jti"], str) or not 0 < len(claims["jti"]) <= _JTI_MAX_CHARS:
        raise _unknown("its jti is no short text")
    return client, claims["jti"], float(claims["exp"]) + CLOCK_SKEW_S


def claimed(assertion: str) -> str:
    """The client that an assertion names, unverified: to slow down who fails. Empty if it names none."""
    try:
        return str(jwt.decode(assertion, options={"verify_signature": False}).get("sub", ""))[:64]
    except (jwt.PyJWTError, ValueError, TypeError):
        return ""


def _unknown(why: str) -> Unauthenticated:
    return Unauthenticated("the client is not known here, or its assertion is not valid", why=why[:150])


def _algorithm(key: Mapping[str, Any]) -> str:
    return {"RSA": "RS384", "EC": "ES384", "OKP": "EdDSA"}[key["kty"]]


def _checked(key: Mapping[str, Any]) -> Mapping[str, Any]:
    if not _SECRET.isdisjoint(key):
        raise Invalid(
            "this holds a private key",
            help="register the public one; whoever has seen this file can sign: make a new key",
        )
    if key.get("kty") not in ("RSA", "EC", "OKP"):
        raise Invalid(f"a key of type {str(key.get('kty'))[:20]} is not taken", help="RSA, EC on P-384, or Ed25519")
    if key.get("use", "sig") != "sig" or key.get("alg", _algorithm(key)) != _algorithm(key):
        raise Invalid(f"a key is made for another use or algorithm than {_algorithm(key)}")
    if not isinstance(key.get("kid"), str) or not 0 < len(key["kid"]) <= _KID_MAX_CHARS:
        raise Invalid("a key has no kid")
    try:
        public = jwt.PyJWK(dict(key), _algorithm(key)).key
    except (jwt.PyJWTError, ValueError, TypeError) as error:
        raise Invalid(f"the key {key['kid']} cannot be read: {error}") from error
    return {**_jwk(public), "kid": key["kid"]}


def _of_pem(content: bytes) -> Mapping[str, Any]:
    if b"PRIVATE" in content:
        raise Invalid("this is a private key", help="register the public one: openssl pkey -in KEY -pubout")
    try:
        public = load_pem_public_key(content)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Invalid("this is not a public key in PEM", help="openssl pkey -in KEY -pubout makes one") from error
    key = _jwk(public)
    spki = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return {**key, "kid": sha256(spki).hexdigest()[:16]}


def _jwk(public: Any) -> dict[str, Any]:
    """The key as a JWK, with nothing but what it needs. Invalid for a weak or unknown one."""
    if isinstance(public, RSAPublicKey):
        if public.key_size < RSA_MIN_BITS:
            raise Invalid(f"an RSA key of {public.key_size} bits is too short", help=f"{RSA_MIN_BITS} at least")
        found = RSAAlgorithm.to_jwk(public, as_dict=True)
    elif isinstance(public, EllipticCurvePublicKey) and isinstance(public.curve, SECP384R1):
        found = ECAlgorithm.to_jwk(public, as_dict=True)
    elif isinstance(public, Ed25519PublicKey):
        found = OKPAlgorithm.to_jwk(public, as_dict=True)
    else:
        raise Invalid("this kind of key is not taken", help="RSA, EC on P-384, or Ed25519")
    return {name: value for name, value in found.items() if name in ("kty", "n", "e", "crv", "x", "y")}
