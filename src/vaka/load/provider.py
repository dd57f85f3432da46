"""One care provider's part of the record when it leaves: written out with every version, then taken out (PDL 8 kap. 4 §).

The export is open NDJSON in the form of a dump: a line for each version with owner, hash and exact bytes, streamed content
before it, and a mark at the end with counts and the hash of all bytes before it. What belongs to a provider is what it owns
now, marks on it included.

Invariants: nothing is taken out that the export does not hold as it stands (version count and hash of each resource); each
transaction is short; what was done is done, and the same command goes on. The directory and Patients are exported, and stay:
they are the region's.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

import orjson
import zstandard

from vaka import config
from vaka.access.filter import system_filter
from vaka.access.marks import Actor
from vaka.errors import Conflict, Invalid, NotFound, Setup
from vaka.fhir.definitions import type_name, type_number
from vaka.fhir.keys import resource_key
from vaka.journal.arrays import integers
from vaka.journal.feed_rows import FeedRows
from vaka.journal.journal import Journal, Transaction
from vaka.journal.redacting import Decision, redact_all
from vaka.journal.redactions import Redactions
from vaka.journal.statements import statements
from vaka.load.dump import pieces

FORMAT: Final = "vaka-provider-1"
_FIRST: Final = -(2**63)
Seen = Callable[[int, int], None]
"""(done, of all)."""


@dataclass(slots=True)
class Exported:
    """What an export holds. ``hash``: SHA-256 of all bytes before its last line, in hex."""

    resources: int = 0
    versions: int = 0
    hash: str = ""


async def export(journal: Journal, provider: str, write: Callable[[bytes], object], seen: Seen) -> Exported:
    """Writes all of it. NotFound if there is nothing."""
    sql = statements("provider")
    rows = FeedRows(journal.codec)
    done, digest = Exported(), sha256()

    def put(line: bytes) -> None:
        digest.update(line)
        write(line)

    async with journal.reading.connection() as connection:
        counted = await (await connection.execute(sql["count_belonging"], {"provider": provider})).fetchone()
    total = int(counted[0]) if counted else 0
    if not total:
        raise NotFound(f"nothing here belongs to Organization/{provider}")
    put(orjson.dumps({"format": FORMAT, "provider": provider}, option=orjson.OPT_APPEND_NEWLINE))
    after = _FIRST
    while True:
        async with journal.reading.connection() as connection:
            values = {"provider": provider, "after": after, "limit": config.REDACT_BATCH}
            keys = [row[0] for row in await (await connection.execute(sql["belonging"], values)).fetchall()]
            if not keys:
                break
            found = await (await connection.execute(sql["versions"], {"keys": integers(keys)})).fetchall()
        for row in found:
            line = rows.line(row)
            if b'"type":"Binary"' in line:
                async for piece in pieces(journal, orjson.loads(line)):
                    put(piece)
            put(line)
            done.versions += 1
        done.resources += len(keys)
        after = keys[-1]
        seen(done.resources, total)
    done.hash = digest.hexdigest()
    mark = {"provider": provider, "resources": done.resources, "versions": done.versions, "sha256": done.hash}
    write(orjson.dumps(mark, option=orjson.OPT_APPEND_NEWLINE))
    return done


@dataclass(frozen=True, slots=True)
class Held:
    """What a verified export holds: by resource key how many versions, and the newest one's hash."""

    resources: dict[int, tuple[int, bytes]]
    exported: Exported


def verify(path: Path, provider: str) -> Held:
    """Reads an export and checks it. Invalid if it is another's, cut short or changed."""
    digest, held, versions = sha256(), dict[int, tuple[int, bytes]](), 0
    last = b""
    with _opened(path) as file:
        try:
            for line in file:
                if last:
                    digest.update(last)
                    versions += _note(last, held)
                last = line
            mark = orjson.loads(last)
        except (OSError, EOFError, ValueError, KeyError, zstandard.ZstdError) as bad:
            raise Invalid(f"{path} is no whole export: {type(bad).__name__}", help="make the export again") from bad
    if not isinstance(mark, dict) or mark.get("provider") != provider or "sha256" not in mark:
        raise Invalid(f"{path} is no whole export of {provider}", help="make the export again")
    if (mark["sha256"], mark["versions"], mark["resources"]) != (digest.hexdigest(), versions, len(held)):
        raise Invalid(
            f"{path} is not as it was written", help="make the export again, and keep it where nothing changes it"
        )
    return Held(held, Exported(len(held), versions, mark["sha256"]))


def _note(line: bytes, held: dict[int, tuple[int, bytes]]) -> int:
    told: dict[str, Any] = orjson.loads(line)
    if "hash" not in told:
        return 0
    key = resource_key(told["type"], told["id"])
    held[key] = (held.get(key, (0, b""))[0] + 1, bytes.fromhex(told["hash"]))
    return 1


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    try:
        file = path.open("rb")
    except OSError as failed:
        raise Setup(f"cannot read {path}: {failed.strerror}", help="name the file of an export") from failed
    with file:
        match path.suffix:
            case ".zst":
                with zstandard.ZstdDecompressor().stream_reader(file) as reader:
                    import io

                    yield cast(BinaryIO, io.BufferedReader(cast(io.RawIOBase, reader)))
            case ".gz":
                with gzip.GzipFile(fileobj=file) as reader:
                    yield cast(BinaryIO, reader)
            case _:
                yield file


async def delete(
    journal: Journal, provider: str, held: Held, decision: Decision, actor: Actor, listed: Redactions, seen: Seen
) -> int:
    """Takes out what ``held`` holds; how many resources. Conflict at the first that the export does not hold as it stands."""
    sql = statements("provider")
    patient = type_number("Patient")
    async with journal.reading.connection() as connection:
        values: dict[str, Any] = {"provider": provider, "patient": patient}
        counted = await (await connection.execute(sql["count_to_delete"], values)).fetchone()
    total, done, after = int(counted[0]) if counted else 0, 0, _FIRST
    while True:
        async with journal.reading.connection() as connection:
            values = {"provider": provider, "patient": patient, "after": after, "limit": config.REDACT_BATCH}
            rows = await (await connection.execute(sql["to_delete"], values)).fetchall()
        if not rows:
            return done
        for rkey, type_, id_, digest, versions in rows:
            if held.resources.get(rkey) != (versions, bytes(digest)):
                raise Conflict(
                    f"{type_name(type_)}/{id_} is not in the export as it stands here: it changed since, or is newer",
                    help="make the export again, and delete with that",
                )
        wanted = [(type_name(row[1]), row[2]) for row in rows]

        async def work(tx: Transaction, wanted: list[tuple[str, str]] = wanted) -> int:
            return await redact_all(tx, wanted, decision, actor, listed)

        done += await journal.run(work, access=system_filter("provider"))
        after = rows[-1][0]
        seen(done, total)
