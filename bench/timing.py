"""Whether the time of a refusal tells what the refusal does not: hidden ids against ids that do not exist.

One person's session in a region of 400 patients, one connection, each question of a hidden id, of a missing one and of another
missing one in random order. For each: medians, the bound of the quickest tenth, and the AUC, the chance that the answer about
a hidden id takes longer than the one about a missing id: 0.5 tells nothing, 1 tells all. Missing against missing shows what
chance makes of it.
"""

from __future__ import annotations

import argparse
import http.client
import random
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Final

import orjson
import psycopg
from bench.place import Place, place, vaka

from vaka.access.session import Assignment
from vaka.api import sessions
from vaka.api.keyring import Keyring
from vaka.fhir.definitions import type_number

ASKINGS: Final = 2_500
TYPE: Final = "Observation"
HEADERS: Final = {"Content-Type": "application/fhir+json"}

_ELSEWHERE = """
SELECT r.id FROM resource r JOIN owner o USING (owner)
WHERE NOT r.deleted AND r.type = %(type)s AND o.provider <> %(provider)s ORDER BY r.rkey LIMIT %(limit)s
"""
_BUSIEST = """
SELECT o.unit, o.provider FROM resource r JOIN owner o USING (owner)
WHERE r.type = %(type)s AND o.unit <> o.provider GROUP BY 1, 2 ORDER BY count(*) DESC LIMIT 1
"""

Ask = Callable[["Caller", str], tuple[int, bytes]]


class Caller:
    """One connection of one person."""

    def __init__(self, port: int, token: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._headers = {"Authorization": f"Bearer {token}", **HEADERS}

    def ask(self, method: str, address: str, body: bytes | None = None) -> tuple[int, bytes]:
        self._connection.request(method, address, body, self._headers)
        answer = self._connection.getresponse()
        return answer.status, answer.read()


def _put(caller: Caller, id_: str) -> tuple[int, bytes]:
    body = {"resourceType": TYPE, "id": id_, "status": "final", "code": {"text": "timing"}}
    return caller.ask("PUT", f"/fhir/{TYPE}/{id_}", orjson.dumps(body))


QUESTIONS: Final[dict[str, Ask]] = {
    "read": lambda caller, id_: caller.ask("GET", f"/fhir/{TYPE}/{id_}"),
    "vread": lambda caller, id_: caller.ask("GET", f"/fhir/{TYPE}/{id_}/_history/1"),
    "search by _id": lambda caller, id_: caller.ask("GET", f"/fhir/{TYPE}?_id={id_}"),
    "history": lambda caller, id_: caller.ask("GET", f"/fhir/{TYPE}/{id_}/_history"),
    "PUT": _put,
}


@dataclass(slots=True)
class Found:
    """Times in µs of one question. ``other``: of the second lot of missing ids."""

    question: str
    hidden: list[float] = field(default_factory=list)
    missing: list[float] = field(default_factory=list)
    other: list[float] = field(default_factory=list)

    def row(self) -> str:
        a, b = median(self.hidden), median(self.missing)
        quick = _tenth(self.hidden) - _tenth(self.missing)
        return (
            f"| {self.question} | {len(self.hidden)} | {a:.0f} | {b:.0f} | {a - b:+.0f} ({(a - b) / b:+.1%}) | {quick:+.0f} "
            f"| {auc(self.hidden, self.missing):.3f} | {auc(self.other, self.missing):.3f} |"
        )


def _tenth(times: list[float]) -> float:
    """The time that a tenth stays below: what a busy machine disturbs least."""
    return sorted(times)[len(times) // 10]


def auc(longer: list[float], shorter: list[float]) -> float:
    """The chance that one of ``longer`` is above one of ``shorter``, equal ones by half (Mann-Whitney's U, scaled)."""
    ranked = sorted([(value, True) for value in longer] + [(value, False) for value in shorter])
    total, at = 0.0, 0
    while at < len(ranked):
        end = at
        while end < len(ranked) and ranked[end][0] == ranked[at][0]:
            end += 1
        total += sum(mine for _, mine in ranked[at:end]) * (at + 1 + end) / 2  # equal values share their ranks
        at = end
    return (total - len(longer) * (len(longer) + 1) / 2) / (len(longer) * len(shorter))


def _ids(journal: Place, token: str, provider: str, wanted: int) -> list[str]:
    """Ids of what stands and what the person does not see: asked, not assumed."""
    with psycopg.connect(journal.dsn, autocommit=True) as connection:
        values = {"type": type_number(TYPE), "provider": provider, "limit": wanted * 2}
        stands = [row[0] for row in connection.execute(_ELSEWHERE, values)]
    caller = Caller(journal.port, token)
    hidden = [id_ for id_ in stands if QUESTIONS["read"](caller, id_)[0] == 404][:wanted]
    assert len(hidden) == wanted, f"only {len(hidden)} of {len(stands)} are hidden"
    return hidden


def _same(caller: Caller, ask: Ask, hidden: str, missing: str) -> None:
    """That the answers say the same: else their time would be beside the point."""
    (status, body), (other, nothing) = ask(caller, hidden), ask(caller, missing)
    assert status == other and len(body) == len(nothing), (hidden, status, body, other, nothing)


def _like(id_: str) -> str:
    """An id of the same form that nothing has."""
    return str(uuid.uuid4()) if len(id_) == 36 else "".join(random.choices("0123456789abcdef", k=len(id_)))


def measure(journal: Place, askings: int = ASKINGS) -> Iterator[Found]:
    """Each question as it is measured."""
    with psycopg.connect(journal.dsn, autocommit=True) as connection:
        row = connection.execute(_BUSIEST, {"type": type_number(TYPE)}).fetchone()
    assert row is not None
    unit, provider = row
    made = sessions.begin(
        person="TSTBENCH-timing", practitioner="bench-timing", name="Bench", way="demo",
        assignment=Assignment("bench-timing", unit, provider, title="Bench"),
    )  # fmt: skip
    token = sessions.Sessions(Keyring(journal.data, "session")).make(made)
    hidden = _ids(journal, token, provider, askings)
    caller = Caller(journal.port, token)
    for name, ask in QUESTIONS.items():
        _same(caller, ask, hidden[0], _like(hidden[0]))
        one = Found(name)
        asked = [(id_, one.hidden) for id_ in hidden]
        asked += [(_like(id_), times) for times in (one.missing, one.other) for id_ in hidden]
        random.shuffle(asked)
        for id_, times in asked:
            began = time.perf_counter_ns()
            ask(caller, id_)
            times.append((time.perf_counter_ns() - began) / 1_000)
        yield one
    yield _at_once(journal, token, hidden)


def _at_once(journal: Place, token: str, hidden: list[str]) -> Found:
    """Two PUTs of one id at the same time, the longer of the two: does one wait for the other?"""
    one = Found("two PUTs at once")
    callers = Caller(journal.port, token), Caller(journal.port, token)
    asked = [(id_, one.hidden) for id_ in hidden]
    asked += [(_like(id_), times) for times in (one.missing, one.other) for id_ in hidden]
    random.shuffle(asked)
    with ThreadPoolExecutor(2) as pool:
        for id_, times in asked:
            began = time.perf_counter_ns()
            list(pool.map(_put, callers, (id_, id_)))
            times.append((time.perf_counter_ns() - began) / 1_000)
    return one


def main() -> None:
    parser = argparse.ArgumentParser(description="Time of refusals: hidden against missing ids.")
    parser.add_argument("askings", type=int, nargs="?", default=ASKINGS)
    askings = parser.parse_args().askings
    with place() as journal, tempfile.TemporaryDirectory() as folder:
        region = Path(folder) / "region"
        subprocess.run(vaka("region", "--patients", "400", "--to", str(region)), check=True, capture_output=True)
        subprocess.run(vaka("load", str(region), "--data", str(journal.data)), check=True, capture_output=True)
        print(
            "| question | askings | hidden µs | missing µs | difference | quickest tenth | AUC | missing against missing |"
        )
        print("|---|---|---|---|---|---|---|---|")
        for one in measure(journal, askings):
            print(one.row(), flush=True)


if __name__ == "__main__":
    main()
