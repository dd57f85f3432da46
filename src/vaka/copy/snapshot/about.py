"""What a ward snapshot says of itself, inside the file, where nobody can change it without its key (each page is authenticated).

Invariant: whether one may be used now is decided here, by one pure function, on opening and again for each answer.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

import apsw
import orjson

from vaka import config
from vaka.copy.apply import SCHEMA
from vaka.copy.statements import statements
from vaka.errors import Gone, Setup
from vaka.texts import N_

_FACT: Final = "snapshot"
NOTICE: Final = N_(
    "Ward snapshot: here is what the unit may read of its own patients without asking. Other units' hypersensitivity and alerts"
    " can be opened; what else is withheld, ask the patient or by telephone. Nothing can be written. It may be used until %(at)s."
)


@dataclass(frozen=True, slots=True)
class About:
    """``id``: of this making; ``name``: under which it was given, and is revoked; ``unit``, ``provider``: Organization ids;
    ``maker``, ``key``: the copy that made it and the public key (hex) that it signs with; ``as_of_us``: the journal's time of
    what is in it; times in microseconds UTC; ``logins``: how many of the unit's staff have a passkey in it."""

    id: str
    name: str
    unit: str
    unit_name: str
    provider: str
    made_us: int
    expires_us: int
    as_of_us: int
    patients: int
    maker: str
    key: str
    demo: bool = False
    logins: int = 0


class Over(Gone):
    """The snapshot may not be used any more, or not at this time: 410."""


def keep(connection: apsw.Connection, about: About) -> None:
    """Writes it into the file that is being made."""
    connection.execute(statements("apply")["keep_fact"], (_FACT, orjson.dumps(asdict(about)).decode()))


def about_of(connection: apsw.Connection) -> About:
    """What the file on ``connection`` is. Setup error where it is no snapshot, or of another release."""
    fact = statements("apply")["fact"]
    told: Any = connection.execute(fact, (_FACT,)).get
    schema: Any = connection.execute(fact, ("schema",)).get
    if told is None:
        raise Setup("this file is no ward snapshot", help="make one with `vaka copy snapshot`")
    if schema != str(SCHEMA):
        raise Setup(
            f"this snapshot is of schema {schema}, and this release reads {SCHEMA}",
            help="install the same release here as on the copy, or make the snapshot anew",
        )
    try:
        return About(**orjson.loads(told))
    except (TypeError, orjson.JSONDecodeError) as error:
        raise Setup("this snapshot is of another release", help="make it anew with `vaka copy snapshot`") from error


def require_usable(about: About, now_us: int, highest_us: int, revoked_us: int | None) -> None:
    """Over unless the snapshot may be used. ``now_us``: of this machine's clock; ``highest_us``: the latest time that this folder
    has seen; ``revoked_us``: when the snapshots of its name were revoked, None: they were not."""
    skew_us = config.SNAPSHOT_CLOCK_SKEW_S * 1_000_000
    if revoked_us is not None and revoked_us >= about.made_us:
        raise Over("this ward snapshot was revoked", help="ask the region's operator why; paper forms are on the ward")
    latest_us = max(now_us, highest_us)
    if latest_us >= about.expires_us:
        raise Over("this ward snapshot has expired", help="a newer one is fetched as soon as a copy can be reached")
    if now_us < max(highest_us, about.made_us) - skew_us:
        raise Over(
            "this machine's clock is behind what it has seen already",
            help="set the clock right; until then nothing can say how old the snapshot is",
        )
