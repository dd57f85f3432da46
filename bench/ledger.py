"""The ledger of acknowledged writes, kept outside the system (continuity: Proof), and what it is compared with.

Invariants: a line is on the disk before the next request is sent; intents of keyed and conditional requests are written
before they are sent, so that they can be sent again; the judge believes the feed only after it compared hashes.
"""

from __future__ import annotations

import os
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol, TypeVar

import httpx
import orjson

_ATTEMPTS_MAX = 15
SYSTEM = "http://example.org/ledger"


@dataclass(slots=True)
class Ledger:
    """``path``: its file. ``acknowledged``: "Type/id/version" → SHA-256 of the bytes that were answered. ``owed``:
    values that must exist exactly once, and ``sent``: values that may exist at most once. ``together``: values of one request
    each: all of them exist, or none. ``answers``: how many requests were acknowledged."""

    path: Path
    acknowledged: dict[str, str] = field(default_factory=dict)
    owed: set[str] = field(default_factory=set)
    sent: set[str] = field(default_factory=set)
    together: list[tuple[str, ...]] = field(default_factory=list)
    answers: int = 0
    _file: Any = None

    def __post_init__(self) -> None:
        self._file = self.path.open("ab")

    def _line(self, **told: Any) -> None:
        self._file.write(orjson.dumps(told) + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def intend(self, *values: str) -> None:
        """Before sending: each value names one resource that the request would create."""
        self.sent.update(values)
        if len(values) > 1:
            self.together.append(values)

    def acknowledge(self, versions: Iterable[tuple[str, bytes]], *values: str) -> None:
        """After a 2xx: (Type/id/version, bytes) of each version, and the values that exist from now on."""
        self.answers += 1
        told = {name: sha256(body).hexdigest() for name, body in versions}
        self.acknowledged.update(told)
        self.owed.update(values)
        self._line(acknowledged=told, values=values)

    def close(self) -> None:
        self._file.close()


class Found(Protocol):
    """What kills came to: ``wrong``, each of what was acknowledged and is not so."""

    @property
    def wrong(self) -> tuple[str, ...]: ...


F = TypeVar("F", bound=Found)


def kept(name: str, run: Callable[[Path, int], F], folder: Path | None, seed: int | None) -> F:
    """What ``run`` finds in ``folder`` (none: one of its own, kept where something is wrong: it is the evidence) with ``seed``
    (none: one by chance)."""
    own = folder or Path(tempfile.mkdtemp(prefix=f"vaka-{name}-"))
    found = run(own, random.randrange(2**32) if seed is None else seed)
    if folder is None:
        if found.wrong:
            print(f"record and ledger are kept in {own}", file=sys.stderr)
        else:
            shutil.rmtree(own, ignore_errors=True)
    return found


def detail(acknowledged: int, resent: int, seed: int, wrong: Sequence[str]) -> str:
    """How a figure of kills came."""
    named = f", the first: {', '.join(wrong[:10])}" if wrong else ""
    return f"{acknowledged} acknowledged, {resent} sent again, seed {seed}{named}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """``lost``: acknowledged and not there, or not with these bytes. ``doubled``: there more than once. ``torn``: there, while
    others of the same transaction are not."""

    lost: tuple[str, ...]
    doubled: tuple[str, ...]
    torn: tuple[str, ...]


def judge(ledger: Ledger, client: httpx.Client) -> Verdict:
    """Compares the record, as the feed tells it, with the ledger; and a sample as reading and searching tell it."""
    found: Counter[str] = Counter()
    hashes: dict[str, str] = {}
    created: Counter[str] = Counter()
    for line in everything(client):
        name = f"{line['type']}/{line['id']}/{line['version']}"
        found[name] += 1
        hashes[name] = line["hash"]
        body = line.get("body", "").encode()
        if sha256(body).hexdigest() != line["hash"]:
            hashes[name] = "the feed's own bytes do not have this hash"
        if line["action"] == "create":
            created.update(i["value"] for i in orjson.loads(body).get("identifier", ()) if i.get("system") == SYSTEM)
    lost = [name for name, digest in ledger.acknowledged.items() if hashes.get(name) != digest]
    lost += [value for value in ledger.owed if created[value] == 0]
    doubled = [name for name, count in found.items() if count > 1]
    doubled += [value for value in ledger.sent | ledger.owed if created[value] > 1]
    torn = [
        value for values in ledger.together if not all(map(created.get, values)) for value in values if created[value]
    ]
    for name in list(ledger.acknowledged)[-50:]:
        type_, id_, version = name.split("/")
        read = asked(client, client.build_request("GET", f"/fhir/{type_}/{id_}/_history/{version}"))
        if read.status_code != 200 or sha256(read.content).hexdigest() != ledger.acknowledged[name]:
            lost.append(f"{name} by reading: {read.status_code}")
    for value in sorted(ledger.owed)[-50:]:
        search = client.build_request("GET", "/fhir/Patient", params={"identifier": f"{SYSTEM}|{value}"})
        answer = asked(client, search)
        searched = answer.json()
        if answer.status_code != 200:
            lost.append(f"{value} by searching: {answer.status_code} {answer.text[:300]}")
        elif searched.get("total", len(searched.get("entry", ()))) != 1:
            (doubled if searched.get("entry") else lost).append(f"{value} by searching")
    return Verdict(tuple(lost), tuple(doubled), tuple(torn))


def everything(client: httpx.Client) -> list[dict[str, Any]]:
    """Every version in the feed."""
    lines: list[dict[str, Any]] = []
    after: dict[str, str] = {}
    while True:
        answer = asked(client, client.build_request("GET", "/feed", params=after))
        answer.raise_for_status()
        told = [orjson.loads(line) for line in answer.content.splitlines()]
        lines += [line for line in told if "hash" in line]
        if "hash" not in told[-1]:
            return lines
        after = {"after": told[-1]["cursor"], "hash": told[-1]["hash"]}


def asked(client: httpx.Client, request: httpx.Request) -> httpx.Response:
    """The answer; a 503 is asked again when it says so, as any caller would."""
    for _ in range(_ATTEMPTS_MAX):
        answer = client.send(request)
        if answer.status_code != 503:
            break
        time.sleep(float(answer.headers["retry-after"]))
    return answer
