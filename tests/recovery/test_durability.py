"""Acknowledged writes survive: a ledger outside the system against what is there after ``kill -9`` (continuity: Proof)."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from bench import recovery
from bench.durability import Durability, Load, vaka_durability
from bench.ledger import SYSTEM, Ledger, judge
from bench.running import Vaka, running


@pytest.mark.parametrize("kills", [2, pytest.param(20, marks=[pytest.mark.slow, pytest.mark.timeout(900)])])
def test_nothing_acknowledged_is_lost_or_doubled_by_kills_of_everything(tmp_path: Path, kills: int) -> None:
    """Would break: the second promise. Lost answers of keyed and conditional requests are sent again and are done once."""
    found = vaka_durability(kills, tmp_path)
    print(found)
    assert not found.lost, f"seed {found.seed}"
    assert not found.doubled, f"seed {found.seed}"
    assert not found.torn, f"seed {found.seed}"
    assert found.acknowledged > 20 * kills, "too little load to show anything"
    assert found.resent, "no answer was lost: the kills came at idle moments"


@pytest.fixture(scope="module")
def vaka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vaka]:
    with running(tmp_path_factory.mktemp("durability") / "data") as one:
        yield one


@pytest.fixture
def client(vaka: Vaka) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {vaka.token('ledger')}"}
    with httpx.Client(base_url=vaka.url, headers=headers, timeout=60) as one:
        yield one


@pytest.mark.parametrize("whom", ["postmaster", "one backend", "every connection"])
def test_postgresql_restarting_in_the_middle_of_requests(
    vaka: Vaka, client: httpx.Client, tmp_path: Path, whom: str
) -> None:
    """Would break: a caller would get something else than 503 with Retry-After, or lose what was acknowledged."""
    ledger = Ledger(tmp_path / "ledger.ndjson")
    load = Load(vaka.url, vaka.token("ledger"), ledger, random.Random(whom))
    api = client.get("/health").json()["pid"]

    async def strike() -> None:
        await asyncio.sleep(0.7)
        backends = [process for process in vaka.postgres() if "vaka vaka" in " ".join(process.cmdline())]
        assert backends
        match whom:
            case "postmaster":
                parents = {process.ppid() for process in backends}
                assert len(parents) == 1
                os.kill(parents.pop(), signal.SIGKILL)
            case "one backend":
                os.kill(backends[0].pid, signal.SIGKILL)
            case "every connection":
                for process in backends:
                    process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(_await_ready, vaka)
        await asyncio.sleep(0.7)

    asyncio.run(load.run(strike))
    load.send_again()
    assert not load.unexpected, load.unexpected[:5]
    assert client.get("/health").json()["pid"] == api, "the API must outlive its database"
    verdict = judge(ledger, client)
    ledger.close()
    assert (verdict.lost, verdict.doubled, verdict.torn) == ((), (), ())
    assert len(ledger.owed) > 20, "too little load to show anything"


def test_the_judge_sees_what_is_lost_and_what_is_doubled(vaka: Vaka, client: httpx.Client, tmp_path: Path) -> None:
    """Would break: the tests above would pass whatever happened."""
    ledger = Ledger(tmp_path / "ledger.ndjson")
    for value in ("once", "twice", "twice"):
        made = client.post(
            "/fhir/Patient", json={"resourceType": "Patient", "identifier": [{"system": SYSTEM, "value": value}]}
        )
        ledger.intend(value)
        ledger.acknowledge([(f"Patient/{made.json()['id']}/1", made.content)], value)
    changed = f"Patient/{made.json()['id']}/1"
    ledger.acknowledge([("Patient/nobody/1", b"{}"), (changed, b"other bytes")], "never")
    ledger.intend("twice", "no sibling of twice")
    ledger.intend("not", "answered")
    verdict = judge(ledger, client)
    ledger.close()
    assert {"Patient/nobody/1", changed, "never"} <= set(verdict.lost)
    assert not any("once" in name for name in (*verdict.lost, *verdict.doubled))
    assert "twice" in verdict.doubled
    assert verdict.torn == ("twice",)
    assert ledger.answers == 4


@pytest.mark.parametrize("wrong", [{}, {"lost": ("Patient/a/1",)}, {"doubled": ("t-b",)}, {"torn": ("t-c",)}])
def test_the_figure_of_recovery_tells_what_its_kills_lost(
    monkeypatch: pytest.MonkeyPatch, wrong: dict[str, tuple[str, ...]]
) -> None:
    """Would break: twenty kills that lose a write would be published as twenty quick starts."""
    none: dict[str, tuple[str, ...]] = {"lost": (), "doubled": (), "torn": ()}
    found = Durability(kills=20, seed=1, acknowledged=900, resent=30, ready_s=(2.0,) * 20, **(none | wrong))
    monkeypatch.setattr(recovery, "vaka_durability", lambda kills: found)
    quick, kept = recovery.measure()
    assert (quick.name, quick.holds) == ("recovery", True)
    assert (kept.name, kept.value, kept.holds) == ("durability", len(wrong), not wrong)
    assert all(name in kept.detail for names in wrong.values() for name in names)


def _await_ready(vaka: Vaka) -> None:
    """The strike itself can come later than the next answer of /ready: two seconds of readiness count."""
    deadline, since = time.monotonic() + 60, time.monotonic()
    while time.monotonic() - since < 1.0:
        assert time.monotonic() < deadline, "not ready within a minute"
        if not vaka.ready():
            since = time.monotonic()
        time.sleep(0.02)
