"""Results of a laboratory at the record's one way in (S16): which is the current one, whichever came first, by which way.

Invariants: a result is not taken back to an earlier version of itself; one that is sent again is kept, and says of which it is
another; what a later version stands beside is on nobody's list. It is decided under the locks of the laboratory's identifiers,
which whoever writes another version takes too. The rule is ``fhir.laboratory``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

import orjson

from vaka import config
from vaka.errors import Conflict
from vaka.fhir.definitions import type_number
from vaka.fhir.keys import key, resource_key
from vaka.fhir.laboratory import RESULTS, Name, identifiers, is_earlier, is_open, names, says_the_same, takes_back
from vaka.journal.arrays import integers
from vaka.journal.statements import statements
from vaka.store.version import ANY_VERSION, Action, Version

if TYPE_CHECKING:
    from vaka.journal.journal import Transaction
    from vaka.journal.pool import Connection
    from vaka.journal.write import State, Write
    from vaka.store.codec import Codec


@dataclass(frozen=True, slots=True)
class Result:
    """A result that stands."""

    version: Version
    resource: Mapping[str, Any]


def has_results(writes: Sequence[Write]) -> bool:
    """Whether something of ``writes`` may be another version of what stands."""
    return any(_numbered(write) for write in writes)


def _numbered(write: Write) -> bool:
    return write.act is None and write.patient is not None and bool(identifiers(write.resource))


async def alike(tx: Transaction, writes: Sequence[Write]) -> list[Result]:
    """What stands of the laboratory's results that ``writes`` bring, whoever may see it: to decide, never to show. Their
    identifiers are locked: who brings the same at this moment waits."""
    numbered = [write for write in writes if _numbered(write)]
    keys = {
        key(f"{write.type}.identifier", "sc", *number) for write in numbered for number in identifiers(write.resource)
    }
    patients = {resource_key("Patient", tx.resolve(write.patient)) for write in numbered if write.patient is not None}
    values = {
        "keys": integers(sorted(keys)), "patients": integers(sorted(patients)),
        "types": integers(sorted({type_number(write.type) for write in numbered})), "limit": config.RESULTS_ALIKE_MAX,
    }  # fmt: skip
    rows = await (await tx.connection.execute(statements("laboratory")["alike"], values)).fetchall()
    found = await tx.any_current([row[0] for row in rows], lock=False) if rows else []
    return [Result(version, orjson.loads(version.body)) for version in found if version.body is not None]


async def settle(
    tx: Transaction, before: Sequence[Result], writes: Sequence[Write], made: Sequence[Version | None]
) -> None:
    """Says of what was made anew which of ``before`` it is another of, and takes from the lists what is not the current one."""
    written = {write.rkey for write in writes}
    standing: dict[Name, list[Result]] = {}  # a bundle may bring thousands
    for one in reversed(before):
        if one.version.rkey not in written:
            _stand(standing, one)
    past: list[tuple[int, int]] = []
    for write, version in zip(writes, made, strict=True):
        if version is None or write.resource is None or not _numbered(write):
            continue
        alike = chain.from_iterable(standing.get(name, ()) for name in names(write.resource))
        same = list({one.version.rkey: one for one in alike}.values())
        for one in same:
            if is_earlier(one.resource, write.resource):
                past.append((one.version.rkey, version.rkey))
            elif is_earlier(write.resource, one.resource) or says_the_same(write.resource, one.resource):
                past.append((version.rkey, one.version.rkey))
        if same and version.action is Action.CREATE:
            await tx.received_again(version, _current(same).version)
        _stand(standing, Result(version, write.resource))
    if past:
        values = {"earlier": integers([one for one, _ in past]), "later": integers([one for _, one in past])}
        await tx.connection.execute(statements("laboratory")["settle"], values)


def _stand(standing: dict[Name, list[Result]], result: Result) -> None:
    """``result`` is there from now on, and of its like the last ones."""
    for name in names(result.resource):
        listed = standing.setdefault(name, [])
        listed.append(result)
        del listed[: -config.RESULTS_ALIKE_MAX]


async def require_forward(
    connection: Connection, codec: Codec, writes: Sequence[Write], standing: Mapping[int, State]
) -> None:
    """Conflict where one of ``writes`` would take the result that stands back to an earlier version. ``standing``: what stands
    under their keys, locked."""
    asked = {
        write.rkey: write
        for write in writes
        if write.type in RESULTS and write.act is None and write.resource is not None
        and (state := standing.get(write.rkey)) is not None and not state.deleted
        and (is_open(write.resource) or identifiers(write.resource))
    }  # fmt: skip
    if not asked:
        return
    found = await connection.execute(statements("laboratory")["standing"], {"keys": integers(sorted(asked))})
    for rkey, dictionary, body in await found.fetchall():
        _require_forward(asked[rkey], orjson.loads(codec.decompress(dictionary, body)))


def _require_forward(write: Write, standing: Mapping[str, Any]) -> None:
    if write.resource is None or not takes_back(write.resource, standing, seen=names_version(write)):
        return
    name = f"{write.type}/{write.id}"
    raise Conflict(
        f"{name} is {standing.get('status')}: what was sent ({write.resource.get('status')}) is an earlier version of it",
        help="nothing was replaced, and a late message needs nothing more. A correction has the status corrected or amended, or "
        f"names the version that it replaces in If-Match. POST {write.type} keeps what was sent beside what stands",
        path=write.path, why="S16: an earlier version of a result would replace a later one",
    )  # fmt: skip


def names_version(write: Write) -> bool:
    """Whether who writes names the version that stands."""
    return write.if_match is not None and write.if_match != ANY_VERSION


def _current(same: Sequence[Result]) -> Result:
    found = same[0]
    for one in same[1:]:
        if is_earlier(found.resource, one.resource):
            found = one
    return found
