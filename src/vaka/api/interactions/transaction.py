"""batch and transaction. https://hl7.org/fhir/R4/http.html#transaction.

A transaction is one database transaction: conditions are decided first, under locks; then all changes go in one statement;
reads and searches among the entries see them. A batch is its entries, each on its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, TypeAlias

import orjson

from vaka.api.arrival import idempotency_key, keyed
from vaka.api.bundles import bundle, entry, links
from vaka.api.http import (
    Request,
    Response,
    bundle_returns,
    parse_query_string,
    preferences,
    require_json_answer,
    require_json_body,
)
from vaka.api.interactions.conditions import condition, require_unused
from vaka.api.interactions.search import run, searchset
from vaka.api.interactions.withheld import patient_asked, withheld
from vaka.api.refused import log_entry
from vaka.api.server import (
    Server,
    accept_resource,
    if_match,
    living,
    require_references,
    require_version,
)
from vaka.errors import Invalid, Issue, NotAllowed, NotFound, VakaError
from vaka.fhir.accept import BREATHE_EVERY, accept_entries, parsed_of
from vaka.fhir.definitions import RESOURCE_TYPES
from vaka.fhir.media import JSON_PATCH
from vaka.fhir.outcome import from_error, operation_outcome
from vaka.fhir.parse import Parsed, parse_json
from vaka.fhir.patch import apply_patch
from vaka.fhir.query import parse_query
from vaka.fhir.splice import conditional_references, relative_references
from vaka.fhir.transaction import Entry, assign_ids, plan
from vaka.journal.accept import write_of
from vaka.journal.deciding import Condition, decide, named, placed
from vaka.journal.journal import Transaction
from vaka.journal.write import Write
from vaka.store.version import Action, Version, instant, parse_version_id

Dispatch: TypeAlias = Callable[[Server, Request], Awaitable[Response]]
_BATCH_AT_ONCE = 16


async def transaction(server: Server, request: Request, dispatch: Dispatch) -> Response:
    """A transaction-response or batch-response Bundle. A transaction that fails changes nothing and says which entry."""
    require_json_answer(request)
    require_json_body(request)
    body = relative_references(await request.body(), request.base_url)
    content = parse_json(body)
    entries = plan(content, body, base_url=request.base_url)
    key = keyed(request, body)
    before = await key.recalled(server, request)
    if content.get("type") == "batch":
        if key.key is not None and before is None:  # its entries have keys of their own, its body is known by this one
            await server.journal.run(key.remember, access=request.access)
        return await _batch(server, request, entries, dispatch)
    if before is not None:
        return await _answer(server, request, list(before.parts), {}, {})

    def new_id(number: int) -> str:
        return key.new_id(request, number)

    drafted = assign_ids(entries, new_id)
    parsed = await accept_entries(drafted)
    resources = {index: one.resource for index, one in parsed.items()}
    conditions = _conditions(server, entries, parsed, request.base_url)
    strict = preferences(request).strict

    async def work(
        tx: Transaction,
    ) -> tuple[list[tuple[int, int | None, str | None]], dict[int, Version], dict[int, bytes | Version]]:
        found, meant = await decide(tx, entries, resources, conditions)
        assigned = assign_ids(entries, new_id, found=found) if found else drafted
        references = named(meant, assigned.entries)
        writes: dict[int, Write] = {}
        for number, one in enumerate(assigned.entries):
            body = assigned.body(one, references) if one.body else b""
            with placed(one):
                write = await _write_of(tx, one, parsed.get(one.index), found, body)
            if write is not None:
                write.path = one.path
                writes[one.index] = write
            if number % BREATHE_EVERY == BREATHE_EVERY - 1:
                await asyncio.sleep(0)
        if strict:
            await require_references(tx, list(writes.values()))
        made = await tx.write(list(writes.values()))
        versions = {index: version for index, version in zip(writes, made, strict=True) if version is not None}
        parts: list[tuple[int, int | None, str | None]] = []
        read: dict[int, bytes | Version] = {}
        for one in assigned.entries:
            if one.method in ("GET", "HEAD"):
                with placed(one):
                    read[one.index] = await _read(tx, server, request, one)
                parts.append((200, None, None))
            elif one.method == "POST" and one.index in found:
                current = await tx.current(one.type or "", found[one.index])
                assert current is not None
                versions[one.index] = current
                parts.append((200, current.seq, None))
            elif one.method == "DELETE":
                deleted = versions.get(one.index)
                parts.append((204, deleted.seq if deleted else None, None))
            else:
                version = versions[one.index]
                parts.append((201 if version.action == Action.CREATE else 200, version.seq, None))
        await key.remember(tx, *parts)
        return parts, {version.seq: version for version in versions.values()}, read

    parts, versions, read = await server.journal.run(work, access=request.access)
    return await _answer(server, request, parts, versions, read)


def _conditions(
    server: Server, entries: Sequence[Entry], parsed: dict[int, Parsed], base_url: str
) -> dict[str | int, Condition]:
    """What must be looked up before anything changes, as ``decide`` takes it."""
    wanted: dict[str | int, Condition] = {}
    for one in entries:

        def ask(what: str | int, type_: str, query: str, of: Entry = one) -> None:
            wanted[what] = Condition(condition(server.journal, type_, query, base_url), of)

        try:
            if one.method == "POST" and one.if_none_exist is not None:
                ask(one.index, one.type or "", one.if_none_exist)
            elif one.method in ("PUT", "PATCH", "DELETE") and one.id is None:
                ask(one.index, one.type or "", one.query or "")
            for reference in conditional_references(one.resource) if one.index in parsed else ():
                if reference not in wanted:
                    type_, _, query = reference.partition("?")
                    if type_ not in RESOURCE_TYPES:
                        raise Invalid(f"{type_[:64]} is not a resource type of FHIR R4")
                    ask(reference, type_, query)
        except VakaError as error:
            raise Invalid(error.message, path=one.path) from error
    return wanted


async def _write_of(
    tx: Transaction, one: Entry, parsed: Parsed | None, found: dict[int, str], body: bytes
) -> Write | None:
    """The change that an entry asks for, None if it asks for none."""
    if one.method in ("GET", "HEAD") or (one.method == "POST" and one.index in found):
        return None
    expected = if_match(one.if_match, one.path)
    type_ = one.type or ""
    if one.method == "DELETE":
        return Write(type_, one.id, if_match=expected) if one.id is not None else None
    if one.method == "PATCH":
        if one.id is None:
            raise NotFound(f"the condition matches no {type_}", path=one.path)
        current = living(await tx.current(type_, one.id, lock=True), type_, one.id)
        require_version(current, expected)
        fresh = accept_resource(apply_patch(current.body or b"", one.patch or b""), type_)
        return write_of(fresh, one.id)
    assert one.id is not None
    assert parsed is not None
    if body != parsed.body:
        parsed = parsed_of(one, body)
    unmatched = one.method == "PUT" and one.query is not None and one.index not in found
    if unmatched and parsed.id is not None:
        await require_unused(tx, type_, one.id)
    new = one.method == "POST" or (unmatched and parsed.id is None)
    return write_of(parsed, one.id, must_be_new=new, if_match=expected, if_none_match=one.if_none_match == "*")


async def _read(tx: Transaction, server: Server, request: Request, one: Entry) -> bytes | Version:
    """What is read inside the transaction, seeing its changes; the Bundle of a search."""
    match one.url.partition("?")[0].split("/"):
        case [type_, id_] if type_ == one.type and id_ == one.id:
            return living(await tx.current(type_, id_), type_, id_)
        case [type_, id_, "_history", text] if type_ == one.type:
            number = parse_version_id(text)
            return living(await tx.version(type_, id_, *number) if number is not None else None, type_, id_)
        case [type_] if type_ == one.type:
            pass
        case _:
            raise NotAllowed(
                "inside a transaction only a resource, a version or a type can be asked for",
                path=one.path,
                help="send what asks for a history in a batch",
            )
    pairs = parse_query_string(one.query or "")
    strict = preferences(request).strict
    query = parse_query([type_], pairs, base_url=request.base_url, strict=strict, same=server.journal.same)
    page, extra = await run(tx, query)
    notes = await withheld(server, request, patient_asked(pairs, None))
    return searchset(server, request, query, page, extra, pairs, type_, None, notes)


async def _answer(
    server: Server,
    request: Request,
    parts: list[tuple[int, int | None, str | None]],
    versions: dict[int, Version],
    read: dict[int, bytes | Version],
) -> Response:
    missing = [seq for _, seq, _ in parts if seq is not None and seq not in versions]
    if missing:
        versions = versions | await server.journal.by_seqs(missing, access=request.access)
    returns = bundle_returns(request)
    entries = []
    for index, (status, seq, _) in enumerate(parts):
        version = versions.get(seq) if seq is not None else None
        response: dict[str, Any] = {"status": f"{status} {HTTPStatus(status).phrase}"}
        members: dict[str, Any] = {"response": response}
        if version is not None:
            response["etag"] = version.etag
            response["lastModified"] = instant(version.updated_us)
            if returns == "OperationOutcome":
                done = f"{version.type}/{version.id} is at version {version.version_id}"
                response["outcome"] = operation_outcome([Issue("information", "informational", done)])
            if not version.deleted:
                response["location"] = f"{version.type}/{version.id}/_history/{version.version_id}"
                members = {"fullUrl": f"{request.base_url}/{version.type}/{version.id}", **members}
        resource = version.body if version is not None and returns == "representation" else None
        if (found := read.get(index)) is not None:
            resource = found.body if isinstance(found, Version) else found
            if isinstance(found, Version):
                response["etag"] = found.etag
                response["lastModified"] = instant(found.updated_us)
        entries.append(entry(members, resource))
    head = {"type": "transaction-response", "link": links([("self", request.base_url)])}
    return Response(200, bundle(head, entries))


async def _batch(server: Server, request: Request, entries: Sequence[Entry], dispatch: Dispatch) -> Response:
    places = asyncio.Semaphore(_BATCH_AT_ONCE)

    async def one(entry_: Entry) -> bytes:
        async with places:
            return await _batch_entry(server, request, entry_, dispatch)

    done = await asyncio.gather(*[one(entry_) for entry_ in entries])
    head = {"type": "batch-response", "link": links([("self", request.base_url)])}
    return Response(200, bundle(head, done))


async def _batch_entry(server: Server, request: Request, one: Entry, dispatch: Dispatch) -> bytes:
    access = request.access.anew()
    path, _, query = one.url.partition("?")
    try:
        if one.error is not None:
            raise one.error
        strict = ", handling=strict" if preferences(request).strict else ""
        headers = {"prefer": f"return={bundle_returns(request)}{strict}"}
        for name, value in (
            ("if-match", one.if_match), ("if-none-match", one.if_none_match),
            ("if-modified-since", one.if_modified_since), ("if-none-exist", one.if_none_exist),
        ):  # fmt: skip
            if value is not None:
                headers[name] = value
        if (key := idempotency_key(request)) is not None and one.method not in ("GET", "HEAD"):
            headers["idempotency-key"] = f"{key[:190]}#{one.index}"
        if one.method == "PATCH":
            headers["content-type"] = JSON_PATCH
        asked = Request(
            one.method, tuple(part for part in path.split("/") if part), parse_query_string(query), headers,
            request.base_url, one.patch if one.patch is not None else one.body or orjson.dumps(one.resource), access,
        )  # fmt: skip
        answer = await dispatch(server, asked)
    except VakaError as error:
        log_entry(server, one.method, path, access, error)
        failed: dict[str, Any] = {
            "status": f"{error.status} {HTTPStatus(error.status).phrase}",
            "outcome": from_error(error),
        }
        return entry({"response": failed}, None)
    request.access.trail.add(access.trail)
    response: dict[str, Any] = {"status": f"{answer.status} {HTTPStatus(answer.status).phrase}"}
    for name, value in answer.headers:
        match name:
            case "ETag":
                response["etag"] = value
            case "Location":
                response["location"] = value.removeprefix(request.base_url + "/")
            case "Last-Modified":
                response["lastModified"] = parsedate_to_datetime(value).isoformat().replace("+00:00", "Z")
    if answer.body and one.method not in ("GET", "HEAD") and bundle_returns(request) == "OperationOutcome":
        response["outcome"] = orjson.loads(answer.body)
        return entry({"response": response}, None)
    return entry({"response": response}, answer.body or None)
