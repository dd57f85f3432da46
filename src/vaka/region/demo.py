"""The demo region: the packaged people as they are, with today as the day it is started."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime

from vaka.region.generate import region
from vaka.region.template import load

_SEED = 0


def resources(today: date, now: datetime | None = None) -> Iterator[bytes]:
    """Every resource as JSON text, what is referred to before what refers to it.

    ``now`` (aware, on ``today``) is when people in care now are seen: arrivals count back from it and doses that it has
    passed are given. Without it, it is midnight, so that everything has begun whatever the hour.
    """
    template = load()
    for _, text in region(template, len(template.people), _SEED, today, now, clone=False):
        yield text
