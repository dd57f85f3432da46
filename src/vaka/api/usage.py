"""What each caller does within an hour: told in the log, alarmed where it is unusual, and bounded where that costs no care.

Invariants: what a person reads or opens is never refused for a count, only told (care does not wait), nor is what the region's
own systems do (``AccessFilter.full``); an alarm is one line in the log for a caller, kind and hour. The counts are this process's
own, and begin anew with it. Source: OWASP ASVS 4.0.3, 8.1.4, 11.1.3, 11.1.4, 11.1.7, 11.1.8, 12.1.3.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import nlargest
from typing import Final

from vaka import config, log
from vaka.access.filter import AccessFilter
from vaka.accesslog.record import REFUSED_FROM, Record
from vaka.accesslog.review import EMERGENCIES
from vaka.api.cookies import SAFE
from vaka.api.http import Request
from vaka.errors import Busy

_HOUR_S: Final = 3_600
_MB: Final = 1024 * 1024


class TooMany(Busy):
    """This caller's own limit, not ours: 429 (RFC 6585)."""

    status = 429


@dataclass(slots=True)
class Count:
    """One caller's hour. ``patients``: keys of those whose information a person was given, until they are too many; ``alarms``:
    those that were told; ``over``: another hour has begun."""

    requests: int = 0
    changes: int = 0
    openings: int = 0
    refusals: int = 0
    received_bytes: int = 0
    patients: set[int] = field(default_factory=set)
    alarms: set[str] = field(default_factory=set)
    over: bool = False


class Usage:
    """The counts of this process. ``clock``: seconds that never go back."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._end = clock() + _HOUR_S
        self._counts: dict[str, Count] = {}

    def require(self, request: Request) -> None:
        """TooMany where the caller has used up this hour."""
        access = request.access
        if access.session is not None and request.method in SAFE:  # most requests
            return
        count = self._counts.get(access.principal)
        if count is None or access.full:
            return
        if access.session is None:
            changes, received = config.HOURLY_PROGRAM_REQUESTS_MAX, config.HOURLY_PROGRAM_BYTES_MAX
            used = count.requests
        elif _changes(request):
            changes, received = config.HOURLY_PERSON_CHANGES_MAX, config.HOURLY_PERSON_BYTES_MAX
            used = count.changes
        else:
            return
        left_s = self._end - self._clock()
        if left_s > 0 and (used >= changes or count.received_bytes >= received):
            raise TooMany(
                "this is more than one caller does in an hour", retry_after_s=int(left_s) + 1,
                help="go on when the hour is over; large sets go through `vaka load`",
            )  # fmt: skip

    def note(self, request: Request, record: Record) -> Count | None:
        """Counts an answer that is logged; where it was a person's reading: in what, for ``note_again``."""
        access = request.access
        if access.session is None and not access.scopes:
            return None  # nobody that is known
        if self._clock() >= self._end:
            self._turn()
        who = access.principal
        count = self._counts.get(who)
        if count is None:
            count = self._counts[who] = Count()
        count.requests += 1
        is_reading = access.session is not None and request.method in SAFE and record.status < REFUSED_FROM
        if is_reading and count.patients.issuperset(record.patients):  # most requests
            return count
        count.received_bytes += request.received_bytes
        if record.refused:
            count.refusals += 1
            # The region's own systems may ask whether something is there.
            if count.refusals > config.HOURLY_REFUSALS_TOLD and not access.full:
                _alarm(who, count, "refusals", config.HOURLY_REFUSALS_TOLD)
        if access.session is None:
            if count.requests > config.HOURLY_PROGRAM_REQUESTS_TOLD:
                _alarm(who, count, "requests", config.HOURLY_PROGRAM_REQUESTS_TOLD)
        else:
            self._note_person(access, request, record, count)
        return None

    def note_again(self, count: Count | None) -> bool:
        """Counts the same answer once more, where the hour is still the same and nothing else of it is to be counted."""
        if count is None or count.over or self._clock() >= self._end:
            return False
        count.requests += 1
        return True

    def _note_person(self, access: AccessFilter, request: Request, record: Record, count: Count) -> None:
        if record.activity in EMERGENCIES and not record.refused:
            count.openings += 1
            if count.openings > config.HOURLY_OPENINGS_TOLD:
                _alarm(access.principal, count, "openings", config.HOURLY_OPENINGS_TOLD)
        elif _changes(request):
            count.changes += 1
        if record.patients and len(count.patients) <= config.HOURLY_PATIENTS_TOLD:
            count.patients.update(record.patients)
            if len(count.patients) > config.HOURLY_PATIENTS_TOLD:
                _alarm(access.principal, count, "patients", config.HOURLY_PATIENTS_TOLD)

    def _turn(self) -> None:
        """Tells of the hour that has ended, busiest callers first, and begins another."""
        for who, one in nlargest(config.HOURLY_CALLERS_TOLD, self._counts.items(), key=lambda item: item[1].requests):
            log.info(
                "hour of a caller", who=who, requests=one.requests, changes=one.changes, patients=len(one.patients),
                openings=one.openings, refusals=one.refusals, received_mb=one.received_bytes // _MB,
            )  # fmt: skip
        for one in self._counts.values():
            one.over = True
        self._counts = {}
        self._end = self._clock() + _HOUR_S


def _changes(request: Request) -> bool:
    """Whether a person's request writes. A search by POST does not; operations, such as an emergency opening, are not counted."""
    return request.method not in SAFE and not any(part[:1] in ("_", "$") for part in request.path)


def _alarm(who: str, count: Count, about: str, limit: int) -> None:
    if about not in count.alarms:
        count.alarms.add(about)
        log.warning("alarm: unusual use", who=who, about=about, over=limit, within_s=_HOUR_S)
