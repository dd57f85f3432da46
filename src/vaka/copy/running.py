"""The follower's process: what it opens, its tasks, its control socket, and its clean stop."""

from __future__ import annotations

import asyncio
import fcntl
import signal
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from vaka import config, log, process
from vaka.copy import beside, brake, engine, files
from vaka.copy.board import Board, Field
from vaka.copy.changes import Changes
from vaka.copy.client import Client
from vaka.copy.control import Control
from vaka.copy.files import Folder
from vaka.copy.follow import Follower
from vaka.copy.hold import Hold
from vaka.copy.lease import Lease
from vaka.copy.leaving import keep_leaving
from vaka.copy.lost import LostFile
from vaka.copy.own import Own
from vaka.copy.reserve import running as reserve_running
from vaka.copy.reserve.opening import open_reserve
from vaka.copy.scope import REGION
from vaka.copy.seeds import Seeds
from vaka.copy.taking import keep_taking
from vaka.copy.tls import Ways
from vaka.errors import Invalid, Setup
from vaka.store.cursor import Cursor
from vaka.store.version import instant

_OWN_CACHE_BYTES: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Options:
    """Of one start. ``exempt``: sources that the brake does not count."""

    data: Path
    key_file: Path | None = None
    token_file: Path | None = None
    authority: Path | None = None
    certificate: Path | None = None
    neighbours: tuple[str, ...] = ()
    hold_back_s: float = 0.0
    exempt: frozenset[str] = frozenset()


def run(options: Options) -> None:
    """Until SIGTERM or SIGINT. Setup error where it cannot start."""
    folder = Folder(options.data)
    about = folder.about()
    logs = folder.path / "log"
    logs.mkdir(mode=0o700, exist_ok=True)
    process.prepare("copy-follow", logs)
    log.setup("copy-follow", logs / "follow.jsonl")
    log.info("follower starting", copy=about.name, journal=about.journal)
    try:
        asyncio.run(_run(options, folder))
    except BaseExceptionGroup as group:
        found: BaseException | None = group.subgroup(engine.Lasting)
        while isinstance(found, BaseExceptionGroup):
            found = found.exceptions[0]
        if found is None:
            raise
        raise found from None
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


async def _run(options: Options, folder: Folder) -> None:
    about = folder.about()
    async with AsyncExitStack() as stack:
        stack.enter_context(_only(folder))
        begins = not folder.numbers()
        key = files.key(folder, options.key_file)
        try:
            token = (options.token_file or folder.token).read_text().strip()
        except FileNotFoundError as error:
            raise Setup(
                f"there is no token in {options.token_file or folder.token}",
                help="make one on the journal with `vaka token --system NAME --scope feed --scope feed-private` and put it there",
            ) from error
        ways = Ways(options.authority, options.certificate, folder.revoked)
        client = Client(about.journal, token, verify=ways.journal)
        stack.push_async_callback(client.close)
        http = await stack.enter_async_context(
            httpx.AsyncClient(verify=ways.copies, trust_env=False, headers={"Authorization": f"Bearer {token}"})
        )
        board = Board(folder.board, make=True)
        lost = LostFile(folder.lost, key)
        stack.callback(lost.close)
        reserve = open_reserve(folder, options.key_file)
        stack.callback(reserve.close)
        own = engine.lasting(folder.own, key, cache_bytes=_OWN_CACHE_BYTES)
        stack.callback(own.close)
        shown = beside.Shown(reserve, Own(own))
        lease = Lease(folder.lease, key, begins)
        changes = Changes(folder.changes)
        stack.callback(changes.close)
        seeds = Seeds(
            folder,
            key,
            lost,
            prepare=beside.prepare,
            reserve=shown,
            neighbours=options.neighbours,
            http=http,
            scope=about.scope,
            changes=changes,
        )
        stack.callback(seeds.close)
        follower = Follower(
            client, seeds, board, Hold(folder.path), lost,
            limits=brake.Limits(exempt=options.exempt), hold_back_s=options.hold_back_s, lease=lease,
        )  # fmt: skip
        stack.callback(follower.close)
        control = Control(folder.control, Words(follower, shown).words)
        await control.start()
        stack.push_async_callback(control.close)
        stopping = asyncio.Event()
        process.settle_memory()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stopping.set)
        async with asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(work) for work in (
                    follower.run(), look_for_damage(follower), beside.keep_private(follower, client, board),
                    beside.keep_sheets(follower), beside.keep_lease(follower, lease), keep_taking(follower, client),
                    keep_leaving(follower),
                    beside.keep_recovery(follower, folder, key),
                    reserve_running.run(
                        reserve, folder, board, lost, follower.in_thread, token_file=options.token_file, ways=ways
                    ),
                    ways.follow(),
                    *([beside.keep_revoked(follower, folder, options.authority)] if options.authority is not None else []),
                )
            ]  # fmt: skip
            await stopping.wait()
            for task in running:
                task.cancel()


async def look_for_damage(follower: Follower) -> None:
    """Reads the record in use through now and then, and looks whether it is there, beside all else."""
    due = time.monotonic() + config.COPY_CHECK_AFTER_S
    while True:
        await asyncio.sleep(1.0)
        if follower.opened and follower.damaged is None and follower.seeds.is_gone:
            follower.found_damaged(f"{follower.applier.path} is gone")
        number = follower.seeds.current
        told = number is not None and follower.board[Field.DAMAGED] == number  # by a reader
        if follower.damaged is not None or follower.seeds.damaged or (not told and time.monotonic() < due):
            continue  # another is being made already
        if number is not None:
            try:
                await asyncio.to_thread(follower.seeds.check, number)
            except (engine.Damaged, engine.WrongKey) as error:
                if follower.seeds.current == number:
                    follower.found_damaged(error.message)
                continue
            if told:
                follower.board[Field.DAMAGED] = 0  # it is whole
        due = time.monotonic() + config.COPY_CHECK_EVERY_S


class Words:
    """What the control socket knows."""

    def __init__(self, follower: Follower, reserve: beside.Shown) -> None:
        self._follower = follower
        self._reserve = reserve
        self.words = {
            "wait": self._wait, "apply": self._apply, "status": self._status, "freeze": self._freeze,
            "release": self._release, "anew": self._anew, "damaged": self._damaged,
        }  # fmt: skip

    async def _wait(self, value: Any, told: Mapping[str, Any]) -> Mapping[str, Any]:
        ms = told.get("ms", 300)
        if not isinstance(value, str) or not isinstance(ms, int | float):
            raise Invalid("wait takes a cursor, and ms")
        timeout_s = min(max(float(ms), 0.0), config.COPY_CONTROL_WAIT_MAX_MS) / 1_000
        return {"reached": await self._follower.reached(Cursor.parse(value), timeout_s)}

    async def _apply(self, value: Any, told: Mapping[str, Any]) -> Mapping[str, Any]:
        reserve, asked = self._reserve, value if isinstance(value, dict) else {}
        if "own" in asked:
            await self._follower.in_thread(lambda: reserve.own(self._follower.applier))
            return {"applied": asked["own"]}
        number = asked.get("reserve")
        if not isinstance(number, int):
            raise Invalid("apply takes the number of a reserve entry, or own")
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
            "leaseUntil": instant(lease.until_us) if (lease := self._follower.lease) is not None else None,
            "aside": board[Field.ASIDE],
            **self._scope(board),
            "lost": board[Field.LOST],
            "diskFull": bool(board[Field.DISK_FULL]),
            "held": held.told() if (held := hold.held) is not None else None,
            "perSecond": round(self._follower.rate.per_second, 1),
            "part": self._follower.part,
        }

    def _scope(self, board: Board) -> Mapping[str, Any]:
        scope = self._follower.seeds.scope
        if scope is None:
            return {"scope": [REGION]}
        return {"scope": scope.named, "patients": board[Field.PATIENTS], "takingIn": board[Field.TAKING]}

    async def _freeze(self, value: Any, told: Mapping[str, Any]) -> Mapping[str, Any]:
        held = self._follower.hold.freeze(told)
        self._follower.holds_changed()
        return {"held": held.told()}

    async def _release(self, value: Any, told: Mapping[str, Any]) -> Mapping[str, Any]:
        before = self._follower.hold.release(told)
        self._follower.holds_changed()
        return {"held": before.told()}

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
        if self._follower.seeds.damaged:  # another is being made already
            return {"damaged": True}
        try:
            await asyncio.to_thread(self._follower.seeds.check, number)
        except (engine.Damaged, engine.WrongKey) as error:
            self._follower.found_damaged(error.message)
            return {"damaged": True}
        return {"damaged": False}
