"""Versions of a laboratory's result as they arrive: in any order, each by a way of its own."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations, product
from typing import Any

from tests.api.records import Ward
from tests.client import Api, Resource, fresh
from tests.conftest import Instance
from tests.reserving import Receiving, entry

STAGES = ("preliminary", "final", "corrected")
WAYS = ("straight", "reserve", "replay")
ORDERS = tuple(
    tuple(zip(order, ways, strict=True))
    for order in permutations(STAGES)
    for ways in product(WAYS, repeat=3)
    if sum(map(WAYS.index, ways)) % 3 == 0
)
"""Each order; each way of a version with each way of another."""


def result(ward: Ward, status: str, number: str, **members: Any) -> Resource:
    return {
        "resourceType": "DiagnosticReport", "status": status, "code": {"text": "Kreatinin"}, "conclusion": status,
        "identifier": [{"system": "urn:lab", "value": number}], **ward.owned(), **members,
    }  # fmt: skip


@dataclass
class Arriving:
    """A laboratory that sends to the journal, and what copies hand over."""

    laboratory: Api
    copy: Receiving
    token: str
    ward: Ward

    @classmethod
    def at(cls, journal: Instance, ward: Ward) -> Arriving:
        token = journal.token("laboratory")
        copy = Receiving(journal.url, journal.token("copy-a", frozenset({"reserve"})))
        return cls(Api(journal.url, token), copy, token, ward)

    def arrive(self, status: str, number: str, way: str) -> list[str]:
        """Ids of what it made."""
        sent = result(self.ward, status, number)
        if way == "reserve":
            one = entry("POST", "DiagnosticReport", sent, author=self.token, principal="laboratory")
            return [str(self.copy.done(one)["name"]).partition("/")[2]]
        first = self._sent(sent, fresh())
        return [first] if way == "straight" else [first, self._sent(sent, fresh())]

    def _sent(self, body: Resource, key: str) -> str:
        answer = self.laboratory.post("/DiagnosticReport", json=body, headers={"Idempotency-Key": key})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])
