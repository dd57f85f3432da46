"""What a copy carries of other copies' logs: it goes when the journal has it; what is refused is listed with why, and goes again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.waiting import until

from vaka import config
from vaka.accesslog import blocks
from vaka.accesslog.codec import Encoder
from vaka.accesslog.record import Actor, Record
from vaka.accesslog.remote import JournalStore
from vaka.accesslog.runs import Run
from vaka.api.peer.carried import keep_carrying, to_neighbours
from vaka.command.log_carried import carried
from vaka.copy import engine, files
from vaka.copy.own import Own

STREAM = "cd" * 16
REFUSED = orjson.dumps(
    {"resourceType": "OperationOutcome", "issue": [{"diagnostics": "no copy that may has signed this"}]}
)


def signed(*numbers: int) -> bytes:
    """A part of a log as a copy whose disk is full tells it."""
    encoder, made, before = Encoder(), list[blocks.Block](), blocks.genesis(STREAM)
    for number in numbers:
        record = Record(time.time_ns() // 1_000, Actor("", "SE-secret-person"), "read")
        made.append(blocks.make(number, 1, 1_000_000, encoder.payload([record], 1), before))
        before = made[-1].hash
    given: list[bytes] = []

    async def tell(content: bytes) -> bool:
        given.append(content)
        return True

    asyncio.run(
        JournalStore(to_neighbours(Ed25519PrivateKey.generate(), tell)).put_run(Run(STREAM, made, encoder.described))
    )
    return given[0]


def brought(own: Own, status: int, answer: bytes, done: Callable[[], bool]) -> None:
    """Brings what waits to a journal that answers this, until ``done``."""

    async def post(_: str, body: bytes) -> tuple[int, bytes]:
        return status, answer

    async def work() -> None:
        bringing = asyncio.create_task(keep_carrying(own, post))
        await asyncio.to_thread(until, done, "brought", 30)
        bringing.cancel()

    asyncio.run(work())


def test_what_is_refused_is_listed_with_why_and_goes_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken: a part of a log that the journal refuses stays at the neighbour, and nobody is told; or it cannot be brought again."""
    monkeypatch.setattr(config, "OWED_RETRY_S", 0.01)
    folder = files.Folder(tmp_path)
    folder.prepare()
    connection = engine.writer(folder.own, files.key(folder))
    own, body = Own(connection), signed(1, 2, 3)
    assert own.carry(sha256(body).hexdigest(), body, 10**6)

    def listed(*options: str) -> tuple[int, list[dict[str, str]]]:
        ran = CliRunner().invoke(carried, ["--data", str(tmp_path), "--json", *options], standalone_mode=False)
        assert ran.exception is None, ran.exception
        assert "SE-secret-person" not in ran.output
        return int(ran.return_value), [orjson.loads(line) for line in ran.stdout.splitlines() if line.startswith("{")]

    code, (one,) = listed()
    assert (code, one["state"], one["stream"], one["blocks"]) == (0, "waits", STREAM, "1-3")
    brought(own, 403, REFUSED, lambda: all(one.refused for one in own.all_carried()))
    assert not own.carried(), "it does not go by itself"
    code, (one,) = listed()
    assert (code, one["state"], one["reason"]) == (1, "refused", "403: no copy that may has signed this")
    assert listed("--again", "--item", "another")[0] == 1
    code, (one,) = listed("--again")
    assert (code, one["state"]) == (0, "waits")
    assert "reason" not in one
    brought(own, 200, b'{"answer":1}', lambda: not own.all_carried())
    assert listed() == (0, [])
    connection.close()
