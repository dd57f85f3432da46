"""The follower killed without warning, most often in the middle of applying."""

from __future__ import annotations

import asyncio
import random
import time
from pathlib import Path
from typing import Any

import pytest
from tests.copy.fake import journal
from tests.copy.feedlines import contents, read_all, record, version
from tests.copy.following import following

from vaka.copy import engine
from vaka.copy.apply import Applier

pytestmark = pytest.mark.anyio
LINES = 400


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def lines(first: int, chance: random.Random, numbers: dict[str, int]) -> list[bytes]:
    """Creations, changes and deletions, as a journal makes them."""
    made = []
    for seq in range(first, first + LINES):
        id_ = f"n{chance.randrange(first + 200)}"
        number = numbers[id_] = numbers.get(id_, 0) + 1
        resource: dict[str, Any] = {
            "resourceType": "Observation", "id": id_, "status": "final", "code": {"text": f"ord{chance.randrange(50)}"},
            "subject": {"reference": f"Patient/p{chance.randrange(9)}"}, "effectiveDateTime": f"2026-0{1 + seq % 9}-01",
        }  # fmt: skip
        action = "delete" if number > 1 and chance.random() < 0.1 else None
        made.append(version(resource, number, xid=seq, seq=seq, action=action))
    return made


@pytest.mark.parametrize("kills", [4, pytest.param(60, marks=pytest.mark.slow)])
@pytest.mark.timeout(600)
async def test_nothing_is_lost_or_doubled(kills: int, tmp_path: Path) -> None:
    """Broken: a stop in the middle of a batch leaves half of it, or a cursor without its rows."""
    seed = random.randrange(2**32)
    print("seed", seed)
    chance = random.Random(seed)
    numbers: dict[str, int] = {}
    during = 0
    async with journal() as fake:
        # All of it is of a few seconds of the journal's time: an announced load, which the brake does not count.
        with following(tmp_path / "copy", fake.url, "token", "--announced", "tests", start=False) as copy:
            for _ in range(kills):
                fake.add(*lines(len(fake.lines) + 1, chance, numbers))
                before = time.monotonic()
                copy.start()
                log = copy.folder.path / "log" / "follow.jsonl"
                size = log.stat().st_size if log.exists() else 0
                while (
                    time.monotonic() - before < 120
                ):  # from the moment that the journal is heard, lines are being applied
                    await asyncio.sleep(0.005)
                    if log.exists() and b"journal heard" in log.read_bytes()[size:]:
                        during += 1
                        break
                await asyncio.sleep(chance.uniform(0.0, 0.5))
                await asyncio.to_thread(copy.kill)
            assert during == kills
            copy.start()
            status = await asyncio.to_thread(
                copy.until, lambda s: s["whole"] and s["cursor"].endswith(f".{len(fake.lines)}")
            )
            assert status["aside"] == status["lost"] == 0
            found = copy.reader()
            straight = record(tmp_path)
            Applier(straight, tmp_path / "record.db").apply(read_all(*fake.lines))
            assert contents(found) == contents(straight)
            engine.check(found, tmp_path)
            found.close()
