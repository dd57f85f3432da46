"""Figure: acknowledged writes lost or doubled by ``kill -9`` of everything under full write load. None may be.

Each round: twelve writers create, update, transact, create conditionally and with keys, as fast as answers come; then
every process of Vaka gets SIGKILL at a random moment; Vaka is started again; what was sent with a key or a condition and
not answered is sent again. After the last round the whole record is compared with the ledger.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
import uuid
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
import orjson
from bench.figure import Figure, sized
from bench.ledger import SYSTEM, Ledger, asked, detail, judge, kept
from bench.running import Vaka

WRITERS: Final = 12
LOAD_MIN_S: Final = 0.5
LOAD_MAX_S: Final = 1.5
ANSWER_MAX_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Durability:
    """``acknowledged``: requests that were answered with success. ``resent``: whose answer was lost, sent again. ``lost``,
    ``doubled``, ``torn``: as the ledger's judge says. ``ready_s``: seconds from each kill to /ready."""

    kills: int
    seed: int
    acknowledged: int
    resent: int
    lost: tuple[str, ...]
    doubled: tuple[str, ...]
    torn: tuple[str, ...]
    ready_s: tuple[float, ...]

    @property
    def wrong(self) -> tuple[str, ...]:
        return (*self.lost, *self.doubled, *self.torn)

    def figure(self) -> Figure:
        """How many were lost, doubled or done by half: none may be."""
        how = detail(self.acknowledged, self.resent, self.seed, self.wrong)
        what = f"acknowledged writes lost or doubled in {self.kills} kills of everything"
        return Figure("durability", what, len(self.wrong), "writes", 0, 0, lower_is_better=True, detail=how)


@dataclass(slots=True)
class Load:
    """Writers against ``url``. ``unanswered``: requests that must be sent again, with the values they create."""

    url: str
    token: str
    ledger: Ledger
    chance: random.Random
    unanswered: list[tuple[httpx.Request, tuple[str, ...]]] = field(default_factory=list)
    down: bool = False
    unexpected: list[str] = field(default_factory=list)

    async def run(self, kill: Callable[[], Awaitable[None]]) -> None:
        """Writes until ``kill`` has returned and every writer has noticed."""
        headers = {"Authorization": f"Bearer {self.token}"}
        async with httpx.AsyncClient(base_url=self.url, headers=headers, timeout=ANSWER_MAX_S) as client:
            writers = [asyncio.create_task(self._writer(client)) for _ in range(WRITERS)]
            await kill()
            self.down = True
            await asyncio.gather(*writers)

    async def _writer(self, client: httpx.AsyncClient) -> None:
        mine: list[str] = []
        kinds = (self._create, self._update, self._transaction, self._conditional, self._keyed)
        while not self.down:
            with suppress(httpx.TransportError):
                await self.chance.choice(kinds)(client, mine)
                continue
            await asyncio.sleep(0.05)  # the server is going down

    async def _create(self, client: httpx.AsyncClient, mine: list[str]) -> None:
        value = _value()
        self.ledger.intend(value)
        answer = await client.post("/fhir/Patient", json=_patient(value))
        if self._is(answer, 201):
            mine.append(self._took(answer, value))

    async def _update(self, client: httpx.AsyncClient, mine: list[str]) -> None:
        if not mine:
            return await self._create(client, mine)
        id_ = mine[-1]
        answer = await client.put(f"/fhir/Patient/{id_}", json={**_patient(_value("u")), "id": id_})
        if self._is(answer, 200):
            self._took(answer)
        return None

    async def _transaction(self, client: httpx.AsyncClient, mine: list[str]) -> None:
        values, request = _bundle(client, {})
        self.ledger.intend(*values)
        self._took_bundle(await client.send(request), values)

    async def _conditional(self, client: httpx.AsyncClient, mine: list[str]) -> None:
        value = _value("c")
        headers = {"If-None-Exist": f"identifier={SYSTEM}|{value}"}
        await self._again(
            client, client.build_request("POST", "/fhir/Patient", json=_patient(value), headers=headers), (value,)
        )

    async def _keyed(self, client: httpx.AsyncClient, mine: list[str]) -> None:
        key = {"Idempotency-Key": uuid.uuid4().hex}
        if self.chance.random() < 0.5:
            values, request = _bundle(client, key)
        else:
            values = (_value("k"),)
            request = client.build_request("POST", "/fhir/Patient", json=_patient(values[0]), headers=key)
        await self._again(client, request, values)

    async def _again(self, client: httpx.AsyncClient, request: httpx.Request, values: tuple[str, ...]) -> None:
        """Sends what can be sent again; until it is answered it is owed."""
        self.ledger.intend(*values)
        item = (request, values)
        self.unanswered.append(item)
        if self._settle(await client.send(request), values):
            self.unanswered.remove(item)

    def _settle(self, answer: httpx.Response, values: tuple[str, ...]) -> bool:
        if not self._is(answer, 200, 201):
            return False
        if answer.json()["resourceType"] == "Bundle":
            self._took_bundle(answer, values)
        else:
            self._took(answer, *values)
        return True

    def send_again(self) -> int:
        """After the start: each unanswered request once more, as it was. Returns how many."""
        again, self.unanswered = self.unanswered, []
        with httpx.Client(timeout=60) as client:
            for request, values in again:
                same = httpx.Request(request.method, request.url, headers=request.headers, content=request.content)
                answer = asked(client, same)
                if not self._settle(answer, values):
                    self.unexpected.append(f"sent again: {answer.status_code} {answer.text[:300]}")
        return len(again)

    def _is(self, answer: httpx.Response, *wanted: int) -> bool:
        if answer.status_code in wanted:
            return True
        if answer.status_code != 503 or "retry-after" not in answer.headers:
            self.unexpected.append(f"{answer.status_code} {answer.text[:300]}")
        return False

    def _took(self, answer: httpx.Response, *values: str) -> str:
        told = answer.json()
        name = f"{told['resourceType']}/{told['id']}/{told['meta']['versionId']}"
        self.ledger.acknowledge([(name, answer.content)], *values)
        return str(told["id"])

    def _took_bundle(self, answer: httpx.Response, values: tuple[str, ...]) -> None:
        if not self._is(answer, 200):
            return
        for entry in answer.json()["entry"]:
            assert entry["response"]["status"].startswith("201"), entry
        self.ledger.acknowledge([], *values)


def _value(kind: str = "p") -> str:
    return f"{kind}-{uuid.uuid4().hex}"


def _patient(value: str) -> dict[str, Any]:
    name = [{"family": f"Ek-{value[:8]}", "given": ["Åsa"]}]
    return {"resourceType": "Patient", "identifier": [{"system": SYSTEM, "value": value}], "name": name}


def _bundle(client: httpx.AsyncClient, headers: dict[str, str]) -> tuple[tuple[str, ...], httpx.Request]:
    """Three patients that link to each other: all or none."""
    values = tuple(_value("t") for _ in range(3))
    urls = [f"urn:uuid:{uuid.uuid4()}" for _ in values]
    entries = [
        {
            "fullUrl": url,
            "resource": {**_patient(value), "link": [{"other": {"reference": urls[0]}, "type": "seealso"}]},
            "request": {"method": "POST", "url": "Patient"},
        }
        for url, value in zip(urls, values, strict=True)
    ]
    body = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    return values, client.build_request(
        "POST", "/fhir", content=orjson.dumps(body), headers={**headers, "Content-Type": "application/fhir+json"}
    )


def vaka_durability(kills: int, folder: Path | None = None, *, seed: int | None = None) -> Durability:
    """Runs ``kills`` rounds in ``folder`` (none: one of its own, kept where something is wrong: it is the evidence).
    RuntimeError where an answer is not to be expected."""
    return kept("durability", lambda own, chosen: _rounds(kills, own, chosen), folder, seed)


def _rounds(kills: int, folder: Path, seed: int) -> Durability:
    chance = random.Random(seed)
    vaka = Vaka(folder / "data")
    ledger = Ledger(folder / "ledger.ndjson")
    ready_s: list[float] = []
    resent = 0
    try:
        vaka.start()
        load = Load(vaka.url, vaka.token("ledger"), ledger, chance)
        for _ in range(kills):
            load.down = False
            ready_s.append(asyncio.run(_round(load, vaka, chance)))
            resent += load.send_again()
        if load.unexpected:
            raise RuntimeError(f"{len(load.unexpected)} unexpected answers (seed {seed}): {load.unexpected[:5]}")
        with httpx.Client(base_url=vaka.url, headers={"Authorization": f"Bearer {load.token}"}, timeout=60) as client:
            verdict = judge(ledger, client)
    finally:
        vaka.stop()
        ledger.close()
    return Durability(kills, seed, ledger.answers, resent, verdict.lost, verdict.doubled, verdict.torn, tuple(ready_s))


async def _round(load: Load, vaka: Vaka, chance: random.Random) -> float:
    """One kill under load, and the start again; seconds from the first signal to /ready."""
    ready_s = 0.0

    def strike() -> None:
        nonlocal ready_s
        began = time.monotonic()
        vaka.kill(chance)
        load.down = True  # nothing listens: the writers end, and leave the machine to the start
        vaka.start()
        ready_s = time.monotonic() - began

    async def kill() -> None:
        await asyncio.sleep(chance.uniform(LOAD_MIN_S, LOAD_MAX_S))
        await asyncio.to_thread(strike)

    await load.run(kill)
    return ready_s


def measure(kills: int | None = None) -> list[Figure]:
    return [vaka_durability(kills or sized("kills", 200)).figure()]


if __name__ == "__main__":
    found = vaka_durability(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
    print(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode())
    sys.exit(1 if found.wrong else 0)
