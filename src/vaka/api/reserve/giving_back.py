"""A version that the journal lost, given back by a copy that had it (feed.md, 4 and 5): written again, once.

A copy comes with its own token, and what it gives back has no signed session: nobody can prove who wrote it but the copy.
Invariants: taken is only what can have been lost, of an epoch that has ended and from the time that a restore cut off; it
keeps its number, owner and author, and says how it came back; what has been written since is never overwritten, but a Task;
a mark goes on the version that what it was made on has become.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from vaka import config, log
from vaka.access.filter import AccessFilter, system_filter
from vaka.access.law import Act
from vaka.access.marks import actor_of, mark_of
from vaka.api.reserve.handed import leave_task
from vaka.api.reserve.outcome import AS_TASK, outcome, refused
from vaka.api.reserve.tasks import Finding, Why
from vaka.copy import lines
from vaka.copy.lines import Version as Line
from vaka.errors import Conflict, Invalid, VakaError
from vaka.fhir import exact
from vaka.fhir.keys import hash64
from vaka.fhir.parse import parse_resource
from vaka.journal.accept import write_of
from vaka.journal.journal import Remembered, Transaction
from vaka.journal.marks import address, mark
from vaka.journal.reserve import is_given_back, lost_window
from vaka.journal.write import Given, Write
from vaka.store.version import Action, Version, instant, parse_version_id, version_id

if TYPE_CHECKING:
    from vaka.api.http import Request
    from vaka.api.server import Server
    from vaka.copy.reserve.entry import Entry

_MERGES: Final = frozenset({Act.MERGE, Act.UNMERGE})
_US: Final = 1_000_000


class Step(Enum):
    """What is done with a lost version."""

    WRITE = "write"
    HELD = "held"
    """The journal has it, or something that was made from it."""
    TASK = "task"


@dataclass(frozen=True, slots=True)
class Standing:
    """What the journal holds. ``same``: it says the same; ``given_back``: it is itself a lost version, under its number."""

    number: int
    epoch: int
    same: bool
    given_back: bool


def decide(number: int, epoch: int, standing: Standing | None) -> Step:
    """What is done with the lost version ``number`` of ``epoch``. Pure."""
    if standing is None:
        return Step.WRITE
    if standing.same:
        return Step.HELD
    if (standing.epoch, standing.number) == (epoch, number):  # one number with two contents: a history that parted
        return Step.TASK
    if standing.epoch <= epoch or standing.given_back:
        return Step.WRITE if standing.number < number else Step.HELD
    return Step.TASK


async def give_back(server: Server, request: Request, entry: Entry) -> dict[str, Any]:
    """What has become of it: done, a Task, or refused with the reason."""
    access = system_filter("given-back")
    access.trail = request.access.trail
    access.trail.activity = "reserve"
    access.trail.reason = f"lost by the journal, given back by {request.access.principal} of {entry.site}"
    try:
        line = await _line(server, entry)
        if (before := await server.journal.recall(entry.key, access=access)) is None:
            try:
                await server.journal.run(lambda tx: _write(tx, access, entry, line), access=access)
            except Conflict:  # another copy gives the same back at this moment
                if await server.journal.recall(entry.key, access=access) is None:
                    raise
            before = await server.journal.recall(entry.key, access=access)
    except (Invalid, Conflict) as error:
        return _refused(request, entry, error)
    assert before is not None
    return await outcome(server, before.parts)


def _refused(request: Request, entry: Entry, error: VakaError) -> dict[str, Any]:
    log.warning("not given back", copy=request.access.principal, entry=entry.id, why=error.why or error.message)
    return refused(error)


async def _line(server: Server, entry: Entry) -> Line:
    """The feed's line in ``entry``. Invalid where it is none of ours, or cannot have been lost."""
    line = lines.read(entry.body)
    if not isinstance(line, Line) or entry.path != f"{line.type}/{line.id}":
        raise Invalid("this is no line of the feed", why="given back: line")
    window = await lost_window(server.journal, line.cursor.epoch)
    if window is None or not window[0] - config.COPY_COMPARE_S * _US <= line.updated_us <= window[1]:
        raise Invalid(
            "the journal cannot have lost this: no restore cut off its time",
            help="compare it with what the record says, and enter it anew if it is missing",
            why=f"given back: epoch {line.cursor.epoch}, {instant(line.updated_us)}",
        )
    return line


async def _write(tx: Transaction, access: AccessFilter, entry: Entry, line: Line) -> None:
    """In one transaction: what is made of it, and that it was."""
    await tx.lock_identities([hash64(f"given-back\x1f{line.type}/{line.id}")])
    found = await tx.any_version(line.type, line.id)
    step = decide(line.number, line.cursor.epoch, await _standing(tx, line, found))
    if step is Step.WRITE and _says_merged(line):
        step = Step.TASK
    if step is Step.TASK:
        made = await leave_task(tx, entry, _finding(line, found), 0, body=line.body)
        parts = [(AS_TASK, made.seq, None)]
    elif step is Step.HELD:
        assert found is not None
        parts = [(200, found.seq, None)]
    else:
        written = (await tx.write([await _again(tx, line)]))[0]
        parts = [(201 if found is None else 200, written.seq, None)] if written is not None else []
        if written is not None and line.type != "Provenance":
            tx.acted_us = line.updated_us
            said = f"lost by the journal, given back by copy {entry.site}: version {_lost_id(line)}"
            await mark(tx, Act.GIVEN_BACK, written, actor_of(access), reason=said, patient=line.patient)
    digest = sha256(line.hash).digest()
    await tx.remember(entry.key, Remembered(digest, tuple(parts)))


async def _standing(tx: Transaction, line: Line, found: Version | None) -> Standing | None:
    if found is None:
        return None
    given = await is_given_back(tx.connection, found.rkey, found.version, found.epoch)
    return Standing(found.version, found.epoch, _same(line, found), given)


def _same(line: Line, found: Version) -> bool:
    """Whether both say the same, whatever their numbers and times."""
    if line.body is None or found.body is None:
        return line.body is None and found.deleted
    one, other = exact.loads(line.body), exact.loads(found.body)
    for resource in (one, other):
        for name in ("versionId", "lastUpdated"):
            resource["meta"].pop(name, None)
    return bool(exact.dumps(one) == exact.dumps(other))


async def _again(tx: Transaction, line: Line) -> Write:
    """The write of the lost version. Invalid where the copy cannot have had all of it."""
    owner = line.owner
    owned = (owner.unit, owner.provider, owner.kind)
    given = Given(line.number, owner.author, owner.source)
    if line.body is None:
        redacts = line.action is Action.REDACT
        return Write(
            line.type, line.id, redact=redacts, act=Act.REDACT if redacts else Act.GIVEN_BACK, owned=owned, given=given,
            patient=line.patient,
        )  # fmt: skip
    parsed = parse_resource(line.body, line.type)
    act = Act.GIVEN_BACK
    if line.type == "Binary" and not parsed.resource.get("data"):
        raise Invalid("the content of this file was on the journal alone", help="ask who sent it to send it again")
    if line.type == "Provenance" and (made := mark_of(parsed.resource)) is not None:
        act = made.act
        parsed = parse_resource(await _on_what_it_became(tx, line.body), line.type)
    write = write_of(parsed, line.id, act=act, owned=owned, given=given)
    write.patient = line.patient
    return write


async def _on_what_it_became(tx: Transaction, body: bytes) -> bytes:
    """A mark, on the versions that those which it names have become: a lost version has its number in a later epoch."""
    resource = exact.loads(body)
    named = [*resource["target"], *(one["what"] for one in resource.get("entity", ()))]
    for reference in named:
        name, _, version = str(reference.get("reference", "")).partition("/_history/")
        number, (type_, _, id_) = parse_version_id(version), name.partition("/")
        if number is None or await tx.version(type_, id_, *number) is not None:
            continue
        found = await tx.any_version(type_, id_)
        if found is None or found.version != number[0]:
            continue
        if await is_given_back(tx.connection, found.rkey, found.version, found.epoch):
            reference["reference"] = address(found)
    return exact.dumps(resource)


def _says_merged(line: Line) -> bool:
    if line.type != "Provenance" or line.body is None:
        return False
    made = mark_of(exact.loads(line.body))
    return made is not None and made.act in _MERGES


def _finding(line: Line, found: Version | None) -> Finding:
    why = Why.MERGE if _says_merged(line) else Why.LOST
    focus = address(found) if found is not None else None
    return Finding(why, line.patient, focus, (focus,) if focus is not None else ())


def _lost_id(line: Line) -> str:
    return version_id(line.number, line.cursor.epoch)
