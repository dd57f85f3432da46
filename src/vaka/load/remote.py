"""Loading over HTTP: one worker's part. Single resources go as transactions of updates, transactions as they are.

Invariants: what stands there with the same bytes is not sent; every request carries a key of its content; of a
  transaction that is refused for some of its resources, the others are sent again without them.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import replace
from hashlib import sha256
from typing import Any, Final

import orjson

from vaka.access.ownership import inherits_from
from vaka.config import BODY_MAX_BYTES, BUNDLE_MAX_ENTRIES
from vaka.errors import Invalid, VakaError
from vaka.fhir.definitions import RESOURCE_TYPES
from vaka.fhir.splice import conditional_references, splice
from vaka.fhir.transaction import Entry
from vaka.load.http import Client, error_of, json_of
from vaka.load.items import Bundle, Item, in_order, resources
from vaka.load.report import Outcome, Refusal
from vaka.load.run import Work
from vaka.load.sources import Text

WRITES_MAX: Final = 250
BYTES_MAX: Final = 4 * 1024 * 1024
_IDS_MAX: Final = 200
_ID: Final = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_ENTRY: Final = re.compile(r"Bundle\.entry\[(\d+)\]")
_FIRST: Final = {"Organization": 0, "Encounter": 1}


def lanes(url: str, token: str, count: int) -> tuple[list[Executor], Work]:
    """``count`` threads with a connection each, and what they do."""
    mine = threading.local()

    def work(texts: Sequence[Text], final: bool) -> Outcome:
        if not hasattr(mine, "loader"):
            mine.loader = Remote(Client(url, token))
        outcome: Outcome = mine.loader.load(texts, final=final)
        return outcome

    json_of(Client(url, token).send("GET", "/metadata")[1])  # a wrong address is told before anything begins
    return [ThreadPoolExecutor(1) for _ in range(count)], work


class Remote:
    """Loads texts through ``client``."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._held_back: set[tuple[str, str]] = set()

    def load(self, texts: Sequence[Text], *, final: bool) -> Outcome:
        """``final``: nothing waits any more."""
        outcome = Outcome()
        if final:
            self._held_back.clear()
        for group in in_order(texts, outcome):
            match group:
                case list():
                    self._items(group, final, outcome)
                case index, bundle:
                    self._bundle(index, texts[index], bundle, final, outcome)
        return outcome

    def _items(self, items: list[tuple[int, Item]], final: bool, outcome: Outcome) -> None:
        ours = {(item.parsed.type, item.id) for _, item in items}
        parents = [inherits_from(item.parsed.resource) for _, item in items]
        there = self._stored({*ours, *(parent for parent in parents if parent)})
        chosen: list[Item] = []
        taken: set[tuple[str, str]] = set()
        for n in sorted(range(len(items)), key=lambda n: _FIRST.get(items[n][1].parsed.type, 2)):
            (index, item), parent = items[n], parents[n]
            key = (item.parsed.type, item.id)
            waits = key in self._held_back or (parent and parent not in ours and parent not in there)
            if waits and not final and item.place.entry is None:
                self._held_back.add(key)
                outcome.waiting.append(index)
            elif key in there and key not in taken and (item.made or _holds(item, there[key])):
                outcome.counts.unchanged += 1
            else:
                if key in taken or len(chosen) >= WRITES_MAX or _size(chosen) > BYTES_MAX:
                    self._put(chosen, outcome)
                    chosen, taken = [], set()
                chosen.append(item)
                taken.add(key)
        self._put(chosen, outcome)

    def _stored(self, wanted: set[tuple[str, str]]) -> dict[tuple[str, str], bytes]:
        """The bytes that stand there, by type and id."""
        found: dict[tuple[str, str], bytes] = {}
        by_type: dict[str, list[str]] = {}
        for type_, id_ in sorted(wanted):
            if type_ not in RESOURCE_TYPES or not _ID.fullmatch(id_):
                continue  # nothing stands under what is no address; the resource will be refused for it
            by_type.setdefault(type_, []).append(id_)
        for type_, ids in by_type.items():
            for at in range(0, len(ids), _IDS_MAX):
                some = ids[at : at + _IDS_MAX]
                status, answer = self._client.send("GET", f"/{type_}?_id={','.join(some)}&_count={_IDS_MAX}")
                if status != 200:
                    raise error_of(status, answer)
                entries = json_of(answer).get("entry", ())
                for entry, body in zip(entries, resources(answer) if entries else (), strict=True):
                    if body is not None and entry["resource"]["resourceType"] == type_:
                        found[type_, entry["resource"]["id"]] = body
        return found

    def _put(self, items: Sequence[Item], outcome: Outcome) -> None:
        """Sends ``items`` as one transaction; without those that it is refused for, again."""
        if not items:
            return
        entries = []
        for item in items:
            body = item.parsed.body
            if item.made:
                body = splice(
                    body, item.parsed.resource, id=item.id, version_id="1", last_updated="1970-01-01T00:00:00.000Z"
                )
            request = orjson.dumps({"request": {"method": "PUT", "url": f"{item.parsed.type}/{item.id}"}})
            entries.append(b'{"resource":' + body + b"," + request[1:])
        try:
            self._transact(_bundle_bytes("transaction", entries), outcome)
        except Invalid as error:
            named = {int(found[1]) for issue in error.issues if (found := _ENTRY.match(issue.path or ""))}
            if named:
                for n in sorted(named):
                    issues = tuple(i for i in error.issues if (i.path or "").startswith(f"Bundle.entry[{n}]"))
                    issues = tuple(replace(i, path=_within(i.path, items[n].parsed.type)) for i in issues)
                    outcome.refuse(Refusal(items[n].place, items[n].parsed.type, items[n].id, issues))
                self._put([item for n, item in enumerate(items) if n not in named], outcome)
            elif len(items) == 1:
                outcome.refuse(Refusal.of(items[0].place, error, items[0].parsed.type, items[0].id))
            else:
                middle = len(items) // 2
                self._put(items[:middle], outcome)
                self._put(items[middle:], outcome)

    def _bundle(self, index: int, text: Text, bundle: Bundle, final: bool, outcome: Outcome) -> None:
        """A transaction as it stands; an entry of a batch that needs a look first as a transaction of its own."""
        body = text.body if bundle.place.entry is None else _bundle_bytes("transaction", [_entry(bundle.entries[0])])
        try:
            if len(bundle.entries) > BUNDLE_MAX_ENTRIES or len(body) > BODY_MAX_BYTES:
                raise Invalid(
                    f"a transaction of {len(bundle.entries)} entries, {len(body) >> 20} MB, is too large for HTTP",
                    help="load it on the journal's own machine, without --url",
                )
            self._transact(body, outcome)
        except VakaError as error:
            if not isinstance(error, Invalid):
                raise
            if not final and any(conditional_references(one.resource) for one in bundle.entries if one.resource):
                outcome.waiting.append(index)
                return
            outcome.refused.append(Refusal.of(bundle.place, error))
            outcome.counts.refused += len(bundle.entries)

    def _transact(self, body: bytes, outcome: Outcome) -> None:
        key = f"load-{sha256(body).hexdigest()}"
        status, answer = self._client.send("POST", "", body, Idempotency_Key=key, Prefer="return=minimal")
        if status != 200:
            raise error_of(status, answer)
        counts = outcome.counts
        counts.transactions += 1
        for entry in json_of(answer).get("entry", ()):
            match str(entry.get("response", {}).get("status"))[:3]:
                case "201":
                    counts.created += 1
                case "204":
                    counts.deleted += 1
                case _:
                    counts.updated += 1


def _holds(item: Item, stored: bytes) -> bool:
    """Whether the stored bytes are what ``item`` would be stored as, but for number and time."""
    meta = orjson.loads(stored)["meta"]
    body = splice(
        item.parsed.body, item.parsed.resource,
        id=item.id, version_id=meta["versionId"], last_updated=meta["lastUpdated"],
    )  # fmt: skip
    return body == stored


def _size(items: Sequence[Item]) -> int:
    return sum(len(item.parsed.body) for item in items)


def _within(path: str | None, type_: str) -> str | None:
    return _ENTRY.sub("", path or "").replace(".resource", type_, 1) or None


def _bundle_bytes(type_: str, entries: Sequence[bytes]) -> bytes:
    return b'{"resourceType":"Bundle","type":"%b","entry":[%b]}' % (type_.encode(), b",".join(entries))


def _entry(entry: Entry) -> bytes:
    request: dict[str, Any] = {"method": entry.method, "url": entry.url}
    for name, value in (("ifMatch", entry.if_match), ("ifNoneMatch", entry.if_none_match)):
        if value is not None:
            request[name] = value
    if entry.if_none_exist is not None:
        request["ifNoneExist"] = entry.if_none_exist
    body = entry.body if entry.body is not None else orjson.dumps(entry.resource) if entry.resource else None
    return b"{" + (b'"resource":' + body + b"," if body else b"") + orjson.dumps({"request": request})[1:]
