"""What a copy shows of a laboratory's result, in whatever order and by whatever way its versions came to the journal (S16)."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
from tests.api.arriving import ORDERS, Arriving
from tests.api.records import Ward
from tests.client import Api, fresh
from tests.conftest import Instance
from tests.copied import Record
from tests.on_copy.conftest import Copied

from vaka.access.filter import system_filter
from vaka.copy import apply, derived
from vaka.copy.sheet import page
from vaka.copy.sheet.answering import CopySheets
from vaka.copy.sheet.identity import Identity
from vaka.copy.sheet.stream import unpacked
from vaka.store.sheet import Freshness


def test_sheet_and_list_have_the_same_result_in_any_order(directly: Instance, journal: Copied) -> None:
    """Would break: a late preliminary result would stand on the sheet as the current one, or on the list of what is to be read."""
    api = Api(directly.url, directly.token("tests"))
    for order in ORDERS[::5]:
        ward = Ward(api)
        arriving = Arriving.at(directly, ward)
        number = fresh()
        made = {status: arriving.arrive(status, number, way) for status, way in order}
        journal.copy.follow()
        _derive(journal.copy.record)
        sheets = CopySheets(journal.copy.store, lambda: Freshness(0, 0.0))
        body, lists = _asked(journal, sheets, ward)
        assert [line["text"] for line in _lines(body, "cultures")] == ["corrected"], order
        answers = [line["id"].partition("/")[2] for line in lists["answers"]]
        assert answers == made["corrected"][:1], order
    api.close()


def _derive(record: Record) -> None:
    """Sheets and lists of what was followed, as the follower makes them after a seed."""
    codec = apply.codec(record.writer)
    derived.prepare(record.writer, codec)
    derived.rebuild(record.writer, codec)


def _asked(journal: Copied, sheets: CopySheets, ward: Ward) -> tuple[Any, dict[str, Any]]:
    access = system_filter("tests")

    async def ask() -> tuple[Any, Any]:
        made = await sheets.sheet(ward.patient, "json", access=access)
        return made.body, await sheets.worklists(ward.unit, access=access)

    body, lists = asyncio.run_coroutine_threadsafe(ask(), journal.copy._loop).result()
    parts = page.json(body, Identity(ward.patient, "x"), page.Reader("en", 0, 0))
    return orjson.loads(b"".join(unpacked(part) for part in parts)), dict(lists.lists)


def _lines(told: Any, name: str) -> list[Any]:
    (section,) = [one for one in told["sections"] if one["name"] == name]
    return [line for owner in section["owners"] for line in owner["lines"]]
