"""A followed record in memory, made of resources as the feed would give them."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import apsw
import orjson

from vaka.copy import apply, lines
from vaka.copy.reader import Reader
from vaka.fhir.extract import owner_hints
from vaka.store.version import instant

Resource = dict[str, Any]
BEGAN_US = 1_700_000_000_000_000
OWNER = {"number": 1, "unit": "u1", "provider": "p1", "kind": "observation", "author": None, "source": "tests"}


def updated_us(place: int) -> int:
    """When the version at this place in the feed was made."""
    return BEGAN_US + place * 1_000


class Followed:
    """``reader`` reads what ``put`` has applied."""

    def __init__(self, connection: apsw.Connection | None = None, path: Path = Path("memory")) -> None:
        self.connection = connection or apsw.Connection(":memory:")
        apply.make(self.connection)
        self.applier = apply.Applier(self.connection, path)
        self._place = 0
        self._versions: dict[tuple[str, str], int] = {}

    @property
    def reader(self) -> Reader:
        return Reader(self.connection, apply.codec(self.connection), 1)

    def put(self, resources: Sequence[Resource], **owner: Any) -> None:
        """The next versions of these, in one commit that ends with a mark."""
        told = [self._line(one, {**OWNER, **owner}) for one in resources]
        cursor = f"1.{self._place}.{self._place}"
        at = instant(updated_us(self._place))
        mark = {"horizon": str(self._place + 1), "epoch": 1, "cursor": cursor, "at": at, "ageSeconds": 0.0}
        self.applier.apply([lines.read(orjson.dumps(one)) for one in (*told, mark)])

    def _line(self, resource: Resource, owner: Resource) -> Resource:
        self._place += 1
        name = (resource["resourceType"], resource["id"])
        number = self._versions[name] = self._versions.get(name, 0) + 1
        body = orjson.dumps(resource)
        return {
            "cursor": f"1.{self._place}.{self._place}", "type": name[0], "id": name[1], "version": str(number),
            "number": number, "action": "create" if number == 1 else "update", "updated": instant(updated_us(self._place)),
            "hash": sha256(body).hexdigest(), "owner": owner, "patient": owner_hints(resource), "body": body.decode(),
        }  # fmt: skip
