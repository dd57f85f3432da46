"""The HTTP client of a remote load: one connection, requests sent again until they are known to be done.

Invariant: a write carries an Idempotency-Key of its content, so that sending it twice does it once.
"""

from __future__ import annotations

import http.client
import time
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import orjson

from vaka import errors
from vaka.errors import Issue

AWAY_MAX_S: Final = 60.0
TIMEOUT_S: Final = 120.0
ANSWER_MAX_BYTES: Final = 256 * 1024 * 1024
_AGAIN: Final = frozenset({408, 409, 425, 429, 502, 503, 504})
_HEADERS: Final = {"Content-Type": "application/fhir+json", "Accept": "application/fhir+json"}


class Client:
    """Requests below ``url`` (…/fhir). Setup error for an address that is none."""

    def __init__(self, url: str, token: str) -> None:
        address = urlsplit(url.rstrip("/"))
        if address.scheme not in ("http", "https") or not address.hostname:
            raise errors.Setup(f"{url} is not the address of a FHIR server", help="for example https://HOST/fhir")
        self._url = url
        self._tls, self._host, self._port = address.scheme == "https", address.hostname, address.port
        self._base = address.path
        self._headers = {**_HEADERS, "Authorization": f"Bearer {token}"}
        self._connection: http.client.HTTPConnection | None = None

    def send(self, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
        """(status, answer) of what is no passing failure. Unavailable after ``AWAY_MAX_S`` of those."""
        deadline = time.monotonic() + AWAY_MAX_S
        failed = 0
        while True:
            try:
                status, answer, again_s = self._once(method, path, body, headers)
                if status not in _AGAIN:
                    break
                reason = f"it answers {status}"
            except (OSError, http.client.HTTPException) as error:
                self.close()
                reason, again_s = str(error) or type(error).__name__, None
            failed += 1
            if time.monotonic() > deadline:
                raise errors.Unavailable(f"{self._host} could not be written to for {AWAY_MAX_S:.0f} s: {reason}")
            time.sleep(again_s if again_s is not None else min(0.2 * 2**failed, 3.0))
        if status in (401, 403):
            raise errors.Unauthenticated(
                f"{self._host} does not accept the token", help="make one with vaka token --system"
            )
        if method == "GET" and status == 404:  # of searches there may be none, but not no such address
            raise errors.Setup(f"there is no FHIR server at {self._url}", help="its address ends in /fhir, as a rule")
        return status, answer

    def _once(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> tuple[int, bytes, float | None]:
        if self._connection is None:
            kind = http.client.HTTPSConnection if self._tls else http.client.HTTPConnection
            self._connection = kind(self._host, self._port, timeout=TIMEOUT_S)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self._connection.request(method, self._base + path, body, {**self._headers, **named})
        response = self._connection.getresponse()
        answer = response.read(ANSWER_MAX_BYTES)
        again = response.getheader("Retry-After")
        return response.status, answer, float(again) if again and again.isdigit() else None

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def json_of(answer: bytes) -> Any:
    """Setup error where the other side does not speak JSON."""
    try:
        return orjson.loads(answer)
    except orjson.JSONDecodeError as error:
        raise errors.Setup("the server does not answer in JSON", help="is --url its FHIR address, …/fhir?") from error


def error_of(status: int, answer: bytes) -> errors.VakaError:
    """The OperationOutcome of a refusal as an error with its issues."""
    outcome = json_of(answer) if answer else None
    found = outcome.get("issue") if isinstance(outcome, dict) else None
    issues = [
        Issue(
            "error", str(one.get("code")), str((one.get("details") or {}).get("text") or one.get("diagnostics")),
            next(iter(one.get("expression") or ()), None),
        )
        for one in (found if isinstance(found, list) else ())
        if isinstance(one, dict) and one.get("severity") in ("error", "fatal")
    ]  # fmt: skip
    return errors.Unprocessable(issues[0].message if issues else f"refused with status {status}", issues=issues)
