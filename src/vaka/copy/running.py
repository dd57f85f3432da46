"""The follower's process: what it opens, its tasks, its control socket, and its clean stop."""

from __future__ import annotations

import asyncio
import fcntl
import signal
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw
import httpx

from vaka import config, log, process
from vaka.copy import brake, derived, engine, files
from vaka.copy.beside import Beside
from vaka.copy.board import Board, Field
from vaka.copy.client import Client, tls
from vaka.copy.control import Control
from vaka.copy.files import Folder
from vaka.copy.follow import Follower
from vaka.copy.hold import Hold
from vaka.copy.lost import LostFile
from vaka.copy.own import Own
from vaka.copy.put import OnChanged
from vaka.copy.seeds import Reserve, Seeds
from vaka.errors import Invalid, Setup, VakaError
from vaka.store.cursor import Cursor


@dataclass(frozen=True, slots=True)
class Options:
    """Of one start. ``exempt``: sources that the brake does not count."""

    data: Path
    key_file: Path | None = None
    authority: Path | None = None
    certificate: Path | None = None
    neighbours: tuple[str, ...] = ()
    hold_back_s: float = 0.0
    exempt: frozenset[str] = frozenset()


def run(options: Options, *, reserve: Reserve | None = None, on_changed: OnChanged | None = None) -> None:
    """Until SIGTERM or SIGINT. Setup error where it cannot start."""
    folder = Folder(options.data)
    about = folder.about()
    logs = folder.path / "log"
    logs.mkdir(mode=0o700, exist_ok=True)
    process.prepare("copy-follow", logs)
    log.setup("copy-follow", logs / "follow.jsonl")
    log.info("follower starting", copy=about.name, journal=about.journal)
    asyncio.run(_run(options, folder, reserve, on_changed))
    log.info("follower stopped")


def _only(folder: Folder) -> Any:
    """One follower for each folder: two writers would take each other's place."""
    held = (folder.path / "follow.lock").open("w")
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise Setup(
            f"a follower runs in {folder.path} already", help="stop it first, or give another --data"
        ) from error
    return held


async def _run(options: Options, folder: Folder, reserve: Reserve | None, on_changed: OnChanged | None) -> None:
    about = folder.about()
    async with AsyncExitStack() as stack:
        stack.enter_context(_only(folder))
        key = files.key(folder, options.key_file)
        try:
            token = folder.token.read_text().strip()
        except FileNotFoundError as error:
            raise Setup(
                f"there is no token in {folder.token}",
                help="make one on the journal with `vaka token --system NAME --scope feed` and put it there",
            ) from error
        verify = tls(options.authority, options.certificate)
        client = Client(about.journal, token, verify=verify)
        stack.push_async_callback(client.close)
        http = await stack.enter_async_context(
            httpx.AsyncClient(verify=verify, trust_env=False, headers={"Authorization": f"Bearer {token}"})
        )
        board = Board(folder.board, make=True)
        lost = LostFile(folder.lost, key)
        stack.callback(lost.close)
        seeds = Seeds(
            folder, key, lost, on_changed=on_changed or derived.Derived(), reserve=reserve, neighbours=options.neighbours,
            http=http, prepare=lambda applier: derived.prepare(applier.connection, applier.codec),
        )  # fmt: skip
        stack.callback(seeds.close)
        follower = Follower(
            client, seeds, board, Hold(folder.path), lost,
            limits=brake.Limits(exempt=options.exempt), hold_back_s=options.hold_back_s,
        )  # fmt: skip
        stack.callback(follower.close)
        done_here = engine.writer(folder.own, key)
        stack.callback(done_here.close)
        beside = Beside(client, follower, Own(done_here))
        control = Control(folder.control, Words(follower, reserve, beside).words)
        await control.start()
        stack.push_async_callback(control.close)
        stopping = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stopping.set)
        async with asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(follower.run()), tasks.create_task(_look_for_damage(follower)),
                tasks.create_task(_keep_derived(follower)), tasks.create_task(beside.run()), tasks.create_task(beside.forget()),
            ]  # fmt: skip
            await stopping.wait()
            for task in running:
                task.cancel()


async def _keep_derived(follower: Follower) -> None:
    """Makes what sheets are joined from, of what has changed, once the record is whole."""
    while True:
        await asyncio.sleep(config.COPY_DERIVE_S)
        if not follower.board[Field.WHOLE] or not follower.seeds.is_open:
            continue
        try:
            made = 1
            while made:
                made = await follower.in_thread(
                    lambda: derived.make(follower.applier.connection, follower.applier.codec)
                )
        except (apsw.Error, VakaError) as error:
            log.error("sheets are not made ahead", kind=type(error).__name__)
            await asyncio.sleep(config.COPY_DISK_RETRY_S)


async def _look_for_damage(follower: Follower) -> None:
    """Reads the record in use through now and then, beside all else."""
    pause_s = config.COPY_CHECK_AFTER_S
    while True:
        await asyncio.sleep(pause_s)
        number = follower.seeds.current
        if number is not None:
            try:
                await asyncio.to_thread(follower.seeds.check, number)
            except (engine.Damaged, engine.WrongKey) as error:
                if follower.seeds.current == number:
                    follower.found_damaged(error.message)
        pause_s = config.COPY_CHECK_EVERY_S


class Words:
    """What the control socket knows."""

    def __init__(self, follower: Follower, reserve: Reserve | None, beside: Beside | None = None) -> None:
        self._follower = follower
        self._beside = beside
        self._reserve = reserve
        self.words = {
            "wait": self._wait, "apply": self._apply, "status": self._status, "freeze": self._freeze, "thaw": self._thaw,
            "release": self._release, "anew": self._anew, "damaged": self._damaged,
        }  # fmt: skip

    async def _wait(self, value: Any, told: Mapping[str, Any]) -> Mapping[str, Any]:
        ms = told.get("ms", 300)
        if not isinstance(value, str) or not isinstance(ms, int | float):
            raise Invalid("wait takes a cursor, and ms")
        timeout_s = min(max(float(ms), 0.0), config.COPY_CONTROL_WAIT_MAX_MS) / 1_000
        return {"reached": await self._follower.reached(Cursor.parse(value), timeout_s)}

    async def _apply(self, value: Any, told: Mapping[str, Any]) -> Mapping[str, Any]:
        if isinstance(value, dict) and "own" in value and self._beside is not None:
            await self._beside.show()
            return {"applied": value["own"]}
        number = value.get("reserve") if isinstance(value, dict) else None
        if not isinstance(number, int) or self._reserve is None:
            raise Invalid("apply takes the number of a reserve entry")
        reserve = self._reserve
        await self._follower.in_thread(lambda: reserve.apply(self._follower.applier, number))
        return {"applied": number}

    async def _status(self, value: Any, told: Mapping[str, Any]) -> Mapping[str, Any]:
        board, hold = self._follower.board, self._follower.hold
        epoch, xid, seq, whole = board.read(Field.EPOCH, Field.XID, Field.SEQ, Field.WHOLE)
        return {
            "cursor": f"{epoch}.{xid}.{seq}",
            "whole": bool(whole),
            "ageSeconds": board.age_s(),
            "journal": board[Field.JOURNAL],
            "distrusting": board[Field.DISTRUSTING],
            "seed": self._follower.seeds.current,
            "aside": board[Field.ASIDE],
            "lost": board[Field.LOST],
            "diskFull": bool(board[Field.DISK_FULL]),
            "frozen": hold.frozen.reason if hold.frozen else None,
            "braked": hold.braked.reason if hold.braked else None,
            "perSecond": round(self._follower.rate.per_second, 1),
        }

    async def _freeze(self, value: Any, told: Mapping[str, Any]) -> Mapping[str, Any]:
        self._follower.hold.freeze(told)
        self._follower.holds_changed()
        return {"frozen": True}

    async def _thaw(self, value: Any, told: Mapping[str, Any]) -> Mapping[str, Any]:
        self._follower.hold.thaw(told)
        self._follower.holds_changed()
        return {"frozen": False}

    async def _release(self, value: Any, told: Mapping[str, Any]) -> Mapping[str, Any]:
        self._follower.hold.release(told)
        self._follower.release()
        return {"braked": False}

    async def _anew(self, value: Any, told: Mapping[str, Any]) -> Mapping[str, Any]:
        self._follower.hold.decided("anew", told)
        self._follower.anew = True
        self._follower.wake()
        return {"anew": True}

    async def _damaged(self, value: Any, told: Mapping[str, Any]) -> Mapping[str, Any]:
        """A reader has met damage: the file is read through before anything is done."""
        number = self._follower.seeds.current
        if number is None or value != number:
            return {"damaged": False}
        try:
            await asyncio.to_thread(self._follower.seeds.check, number)
        except (engine.Damaged, engine.WrongKey) as error:
            self._follower.found_damaged(error.message)
            return {"damaged": True}
        return {"damaged": False}
