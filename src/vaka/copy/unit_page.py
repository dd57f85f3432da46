"""A unit's worklists as a page and as JSON. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from vaka.copy.sheet import clock
from vaka.copy.sheet.page import Reader
from vaka.copy.sheet.render import environment
from vaka.store.sheet import Worklists
from vaka.texts import N_

TITLES: Final[Mapping[str, str]] = {
    "here": N_("Here now"), "coming": N_("Today and tomorrow"), "unsigned": N_("Not signed"),
    "answers": N_("Answers to read"), "orders": N_("Answers to come"), "tasks": N_("To do"),
    "paper": N_("Left to enter from paper"),
}  # fmt: skip


def html_of(found: Worklists, reader: Reader) -> bytes:
    today = clock.local(reader.now_us).date()
    lists = [
        (name, TITLES[name], [_aged(line, reader, today) for line in lines], name in found.more)
        for name, lines in found.lists
    ]
    values = {
        "unit": found.name, "lists": lists, "broken": found.broken, "coming_in": found.coming_in,
        "reader": reader,
        "as_of": clock.in_words(reader.as_of_us, reader.language), "old": clock.ago(reader.age_s, reader.language),
        "shown": clock.in_words(reader.now_us, reader.language),
    }  # fmt: skip
    return environment(reader.language).get_template("unit.html").render(values).encode("utf-8", "replace")


def json_of(found: Worklists, reader: Reader) -> dict[str, Any]:
    return {
        "unit": found.unit,
        "name": found.name,
        **reader.moment(),
        "cannotBeShown": found.broken,
        "comingIn": found.coming_in,
        "lists": [
            {"name": name, "more": name in found.more, "lines": list(lines)} for name, lines in found.lists
        ],
    }  # fmt: skip


def _aged(line: Mapping[str, Any], reader: Reader, today: Any) -> dict[str, Any]:
    return {**line, "age": clock.age(line.get("born", ""), today, reader.language) if line.get("born") else ""}
