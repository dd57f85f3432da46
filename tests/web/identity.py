"""An identity service for tests: discovery, keys, a token endpoint that checks PKCE; it can be made to answer wrongly."""

from __future__ import annotations

import base64
import hmac
import json
import secrets
import threading
import time
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

CLIENT, SECRET = "vaka-test", "the client's secret"


def _part(content: Any) -> str:
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@dataclass
class Identity:
    """``claims``: what the next person's token says beside the usual; ``wrong``: claims that are replaced; ``sign``: ``RS256``,
    or how it signs wrongly; ``away``: closes every connection; ``silent``: takes it and says
    nothing; ``userinfo``: claims that only userinfo gives."""

    claims: dict[str, Any] = field(default_factory=dict)
    wrong: dict[str, Any] = field(default_factory=dict)
    sign: str = "RS256"
    away: bool = False
    silent: bool = False
    userinfo: dict[str, Any] | None = None
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    asked: int = 0

    def __post_init__(self) -> None:
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        handler = type("Handler", (_Handler,), {"identity": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.issuer = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def reset(self) -> None:
        self.claims, self.wrong, self.sign, self.away, self.silent, self.userinfo = {}, {}, "RS256", False, False, None

    def authorize(self, address: str) -> str:
        """What a person does there: logs in, and is sent back. The address to go to."""
        asked = dict(parse_qsl(urlsplit(address).query))
        assert asked["code_challenge_method"] == "S256"
        assert asked["response_type"] == "code"
        code = secrets.token_urlsafe(16)
        self.codes[code] = asked
        return asked["redirect_uri"] + "?" + urlencode({"code": code, "state": asked["state"], "iss": self.issuer})

    def id_token(self, asked: dict[str, str]) -> str:
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": CLIENT,
            "sub": "someone",
            "iat": now,
            "exp": now + 300,
            "nonce": asked["nonce"],
            **self.claims,
            **self.wrong,
        }
        claims = {name: value for name, value in claims.items() if value is not None}
        public = self.key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        match self.sign:
            case "RS256":
                return jwt.encode(claims, self.key, "RS256", headers={"kid": "k1"})
            case "none":
                return f"{_part({'alg': 'none', 'kid': 'k1'})}.{_part(claims)}."
            case "HS256 with the public key":
                signing = f"{_part({'alg': 'HS256', 'kid': 'k1'})}.{_part(claims)}"
                return f"{signing}.{_part(hmac.digest(public, signing.encode(), 'sha256'))}"
            case "HS256 with the client's secret":
                return jwt.encode(claims, SECRET.encode().ljust(32, b"x"), "HS256", headers={"kid": "k1"})
            case "RS512":
                return jwt.encode(claims, self.key, "RS512", headers={"kid": "k1"})
            case "another key":
                return jwt.encode(claims, self.other, "RS256", headers={"kid": "k1"})
        raise AssertionError(self.sign)


class _Handler(BaseHTTPRequestHandler):
    identity: Identity

    def log_message(self, *_: Any) -> None:
        pass

    def _json(self, told: Any, status: int = 200) -> None:
        body = json.dumps(told).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        own = self.identity
        own.asked += 1
        while own.silent:
            time.sleep(0.1)
        if own.away:
            self.close_connection = True
            self.connection.close()
        elif self.path.startswith("/authorize"):
            self.send_response(303)
            self.send_header("Location", own.authorize(self.path))
            self.end_headers()
        elif self.path == "/.well-known/openid-configuration":
            issuer = own.issuer
            self._json({"issuer": own.wrong.get("discovered", issuer), "authorization_endpoint": issuer + "/authorize", "token_endpoint": issuer + "/token", "jwks_uri": issuer + "/jwks", **({"userinfo_endpoint": issuer + "/userinfo"} if own.userinfo is not None else {})})  # fmt: skip
        elif self.path == "/jwks":
            self._json(
                {
                    "keys": [
                        json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(own.key.public_key()))
                        | {"kid": "k1", "use": "sig"}
                    ]
                }
            )
        elif self.path == "/userinfo" and self.headers["Authorization"] == "Bearer access":
            self._json(own.userinfo)
        else:
            self._json({}, 404)

    def do_POST(self) -> None:
        own = self.identity
        form = {
            name: values[0]
            for name, values in parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode()).items()
        }
        basic = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        asked = own.codes.pop(form.get("code", ""), None)
        challenge = _part(sha256(form.get("code_verifier", "").encode()).digest())
        if self.headers["Authorization"] != f"Basic {basic}" or asked is None or asked["code_challenge"] != challenge:
            self._json({"error": "invalid_grant"}, 400)
            return
        self._json({"access_token": "access", "token_type": "Bearer", "id_token": own.id_token(asked)})
