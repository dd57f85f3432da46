"""The slots of a template line."""

from __future__ import annotations

from datetime import date, datetime

import pytest

from vaka.region.days import ZONE, Days
from vaka.region.template import Scene, compile_line, read, render

_TODAY = date(2026, 3, 30)


def _scene(now: str = "12:00", shift_days: int = 0) -> Scene:
    def named(kind: str, name: str, key: str) -> bytes:
        return f"<{kind}/{name}/{key}>".encode()

    moment = datetime.fromisoformat(f"{_TODAY}T{now}").replace(tzinfo=ZONE)
    return Scene(Days(), _TODAY.toordinal(), moment, shift_days, [b"id0", b"id1"], named)


@pytest.mark.parametrize(
    ("slot", "expected"),
    [
        ("‹#1›", "id1"),
        ("‹#1@mor›", "<#/1/mor>"),
        ("‹d0›", "2026-03-30"),
        ("‹d-2›", "2026-03-28"),
        ("‹d7›", "2026-04-06"),
        ("‹t-2T08:00:00›", "2026-03-28T08:00:00+01:00"),
        ("‹t-1T08:00:00›", "2026-03-29T08:00:00+02:00"),
        ("‹n-45›", "2026-03-30T11:15:00+02:00"),
        ("‹number›", "<person/number/>"),
        ("‹family@mor›", "<person/family/mor>"),
        ("‹staff:7:given›", "<staff/7/given>"),
        ("‹block›", "<person/block/>"),
    ],
)
def test_each_slot_is_filled(slot: str, expected: str) -> None:
    """A slot that is taken for another would put a time where an id belongs."""
    line = compile_line(f'{{"resourceType":"Basic","x":"{slot}"}}'.encode())
    assert render(line, _scene()) == f'{{"resourceType":"Basic","x":"{expected}"}}'.encode()


@pytest.mark.parametrize(("now", "there"), [("07:59", False), ("08:00", True), ("20:00", True)])
def test_what_has_not_happened_is_left_out(now: str, there: bool) -> None:
    """A dose of this evening shown as given would be missed by the patient (S11)."""
    line = compile_line('‹t0T08:00:00›{"resourceType":"Basic"}'.encode())
    assert (render(line, _scene(now)) is not None) == there


def test_only_history_is_shifted() -> None:
    """A stay whose first days moved away from its last ones would not hold together."""
    line = compile_line('{"resourceType":"Basic","a":"‹d-61›","b":"‹d-60›"}'.encode())
    assert render(line, _scene(shift_days=10)) == b'{"resourceType":"Basic","a":"2026-01-18","b":"2026-01-29"}'


def test_directory_is_told_apart_by_what_is_cloned() -> None:
    """A provider cloned for each block would make many providers of one."""
    content = """{"region":{"name":"R","staff":[["A","B",true]]}}
{"resourceType":"Organization","id":"p"}
{"resourceType":"Organization","id":"u‹block›"}
{"person":{"key":"k","female":true,"born":-1,"given":"G","family":"F","number":"reserve","ids":1}}
{"resourceType":"Patient","id":"‹#0›"}
{"person":{"key":"l","female":false,"born":"1950-02-03","given":"G","family":"F","number":"both","ids":0}}"""
    template = read(iter(content.encode().splitlines()))
    assert (len(template.once), len(template.units)) == (1, 1)
    assert [(person.key, person.born, len(person.lines)) for person in template.people] == [
        ("k", -1, 1),
        ("l", date(1950, 2, 3), 0),
    ]
