"""What each answer says of who gave it, and as of when."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from vaka.api.door.door import Door
from vaka.api.http import Freshness
from vaka.api.snapshots.door import SnapshotDoor

AT_US = 1_700_000_000_000_000
AT = "2023-11-14T22:13:20.000Z"


def test_a_copy_says_it_with_and_without_a_record() -> None:
    """Broken: a refusal says nothing of its copy, or a copy that has no record yet is of 1970."""
    standing = SimpleNamespace(readable=False, as_of_us=0)
    door = Door(cast("Any", None), cast("Any", standing))
    assert door.marks(None) == [("vaka-answered-by", "copy")]
    standing.readable, standing.as_of_us = True, AT_US
    assert door.marks(None) == [("vaka-answered-by", "copy"), ("vaka-as-of", AT)]
    behind = Freshness(AT_US - 1_000_000, 1.0, away=False, behind=True)
    assert door.marks(behind)[1:] == [("vaka-as-of", "2023-11-14T22:13:19.000Z"), ("vaka-behind", "true")]


def test_a_snapshot_says_until_when_it_may_be_used() -> None:
    """Broken: a ward reads what is about to expire, or a snapshot that cannot be read answers nothing at all."""
    about = SimpleNamespace(expires_us=AT_US + 1_000_000)
    door = SnapshotDoor(cast("Any", SimpleNamespace(about=lambda: about)))
    assert door.marks(None) == [("vaka-answered-by", "snapshot")]
    told = dict(door.marks(Freshness(AT_US, 1.0, away=True, behind=False)))
    assert told == {
        "vaka-answered-by": "snapshot", "vaka-as-of": AT, "vaka-expires": "2023-11-14T22:13:21.000Z",
    }  # fmt: skip
