"""Whether a parsed resource is taken: valid FHIR R4, and what it says that it is.

Invariant: a resource passes the same gate (``findings``) however it comes: over HTTP alone or in a transaction, into a reserve,
by `vaka load`; `$validate` says beforehand what it would find.
"""

from __future__ import annotations

import asyncio
import base64
from dataclasses import replace
from typing import Final

import orjson

from vaka.config import ISSUES_MAX
from vaka.errors import Issue, NotAllowed, Unprocessable, VakaError
from vaka.fhir import paper
from vaka.fhir.media import START_BYTES, begins_as
from vaka.fhir.parse import Parsed, as_parsed
from vaka.fhir.splice import conditional_references
from vaka.fhir.transaction import Assigned, Entry
from vaka.fhir.validate import validate

BREATHE_EVERY: Final = 25
"""Entries of a transaction between which others get their turn."""


def findings(parsed: Parsed) -> list[Issue]:
    """All that is wrong with ``parsed``, each with its path: by FHIR R4, by the rules of paper, and by its content's type."""
    errors = [*validate(parsed), *paper.issues(parsed.resource)]
    if not errors and parsed.type == "Binary":
        text = "".join(str(parsed.resource.get("data", "")).split())[
            : START_BYTES * 2
        ]  # a multiple of four, or all of it
        try:
            require_type(str(parsed.resource.get("contentType")), base64.b64decode(text))
        except Unprocessable as error:
            errors += error.issues
    return errors


def require_valid(parsed: Parsed) -> None:
    """Unprocessable, with every finding and its path, unless ``parsed`` is valid (``findings``)."""
    if errors := findings(parsed):
        raise Unprocessable(f"the {parsed.type} is not valid FHIR R4", issues=errors)


def require_type(media: str, start: bytes) -> None:
    """Unprocessable where content that begins with ``start`` is not of type ``media``: a viewer would open something else."""
    if not begins_as(media, start):
        raise Unprocessable(
            f"the content is no {media[:60]}: it does not begin as one; send it with the type that it has, "
            "application/octet-stream where none fits", path="Binary.contentType",
        )  # fmt: skip


async def accept_entries(drafted: Assigned) -> dict[int, Parsed]:
    """The valid resources of the entries, references among them resolved as if no condition found anything.

    Unprocessable with every finding of all entries, each with its path."""
    parsed: dict[int, Parsed] = {}
    issues: list[Issue] = []
    for number, one in enumerate(drafted.entries):
        if one.operation is not None and one.method not in ("GET", "HEAD"):
            raise NotAllowed(f"{one.operation[:40]} cannot be part of a transaction", path=one.path)
        if one.body is not None and one.resource is not None:
            try:
                # What a condition will find is of the type that it names: enough to check the rules of references.
                guessed = {text: text.partition("?")[0] + "/x" for text in conditional_references(one.resource)}
                read = parsed_of(one, drafted.body(one, guessed))
                parsed[one.index] = parsed_of(one, drafted.body(one)) if guessed else read
            except VakaError as error:
                issues += [replace(i, path=f"{one.path}.resource") for i in error.issues]
                continue
            issues += [
                replace(i, path=f"{one.path}.resource" + (i.path or "").removeprefix(one.type or ""))
                for i in findings(read)
            ]
        if number % BREATHE_EVERY == BREATHE_EVERY - 1:
            await asyncio.sleep(0)
    if issues:
        raise Unprocessable(
            f"the transaction holds what is not valid FHIR R4: {issues[0].message}", issues=issues[:ISSUES_MAX]
        )
    return parsed


def parsed_of(one: Entry, body: bytes) -> Parsed:
    """The entry's resource as it stands in ``body``."""
    assert one.resource is not None
    return as_parsed(one.resource if body == one.body else orjson.loads(body), body, one.type)
