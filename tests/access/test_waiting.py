"""Nobody learns by waiting that something stands which is hidden."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import httpx
import psycopg
import pytest
from tests.access.wards import Ward, ward
from tests.client import Api

from vaka.journal import cluster

__all__ = ["ward"]


@pytest.fixture
def locked(ward: Ward) -> Iterator[Callable[[str], None]]:
    """Locks an Observation, as somebody who is just changing it; until the test ends."""
    with psycopg.connect(cluster.at(ward.journal.data / "pg").dsn()) as connection:

        def lock(id_: str) -> None:
            row = connection.execute("SELECT 1 FROM resource WHERE id = %s FOR UPDATE", (id_,)).fetchone()
            assert row is not None

        yield lock


def _changes(client: Api, id_: str) -> list[tuple[int, str]]:
    """Answers to every kind of change of an Observation, without its id."""
    resource = {"resourceType": "Observation", "id": id_, "status": "final", "code": {"text": "x"}}
    address, patch = f"/Observation/{id_}", [{"op": "add", "path": "/language", "value": "sv"}]
    request = {"method": "PUT", "url": f"Observation/{id_}"}
    answers = [
        client.put(address, json=resource),
        client.put(address, json=resource, headers={"If-Match": 'W/"1"'}),
        client.patch(address, json=patch, headers={"Content-Type": "application/json-patch+json"}),
        client.delete(address),
        client.post(f"{address}/$sign"),
        client.transact({"resource": resource, "request": request}),
    ]
    return [(answer.status_code, answer.text.replace(id_, "ID")) for answer in answers]


def test_nobody_waits_for_what_is_hidden(ward: Ward, locked: Callable[[str], None], client: Callable[..., Api]) -> None:
    """Breaks if a change of what is hidden waits for whoever is changing it: that tells that it stands (traps: timing in kind)."""
    locked(ward.note("w"))
    scopes = frozenset({"system/Observation.cruds?code=nothing-has-this"})
    for caller in (ward.at("u"), client(f"waits-{ward.tag}", scopes)):
        began = time.monotonic()
        assert _changes(caller, ward.note("w")) == _changes(caller, ward.note("none"))
        assert time.monotonic() - began < 8, "it waited: a lock is waited for 10 s"
    locked(ward.note("u"))
    mine = ward.at("u")
    with pytest.raises(httpx.ReadTimeout):  # what is seen does wait: the lock is one
        mine.delete(f"/Observation/{ward.note('u')}", timeout=1)
