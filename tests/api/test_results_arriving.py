"""S16 at the journal: whichever version of a laboratory's result comes first, by whichever way, the same one is the current."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tests.api.arriving import ORDERS, Arriving, result
from tests.api.records import Ward, acts, listed, marks
from tests.client import Api, fresh, outcome
from tests.conftest import Instance


@pytest.fixture(scope="module")
def ward(api: Api) -> Ward:
    return Ward(api)


@pytest.fixture
def number() -> str:
    return fresh()


def open_results(api: Api, ward: Ward) -> list[str]:
    return listed(api, f"/$unacknowledged?unit={ward.unit}&_count=200")


def test_any_order_by_any_way_ends_with_the_same_current_result(api: Api, journal: Instance) -> None:
    """Would break: what a unit is told to read depends on the order in which a laboratory's messages came."""
    ward = Ward(api)
    arriving = Arriving.at(journal, ward)
    for order in ORDERS:
        number = fresh()
        made = {status: arriving.arrive(status, number, way) for status, way in order}
        everything = [id_ for ids in made.values() for id_ in ids]
        assert set(api.ids(f"/DiagnosticReport?identifier=urn:lab|{number}")) == set(everything), "nothing is dropped"
        current = [id_ for id_ in open_results(api, ward) if id_ in everything]
        assert current == made["corrected"][:1], order
        first, *others = everything
        for id_ in others:
            (said,) = marks(api, f"DiagnosticReport/{id_}")
            named = said["entity"][0]
            assert named["role"] == "source"
            assert named["what"]["reference"].split("/")[1] in everything
        assert "same-result" not in acts(api, f"DiagnosticReport/{first}")


def test_a_late_version_is_refused_as_an_update(api: Api, ward: Ward, number: str) -> None:
    """Would break: a preliminary result that was late would stand in the final one's place."""
    final = api.make(result(ward, "final", number))
    address = f"/DiagnosticReport/{final['id']}"
    late = {**result(ward, "preliminary", number), "id": final["id"]}
    for headers in ({}, {"If-Match": 'W/"1"'}):
        (issue,) = outcome(api.put(address, json=late, headers=headers), 409)
        assert "preliminary" in issue["diagnostics"]
        assert "final" in issue["diagnostics"]
    by_number = api.put(f"/DiagnosticReport?identifier=urn:lab|{number}", json=result(ward, "registered", number))
    outcome(by_number, 409)
    assert api.get(address).json() == final
    entries = [{"resource": late, "request": {"method": "PUT", "url": address[1:]}}]
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    (issue,) = outcome(api.post("", json=bundle), 409)
    assert issue["expression"][0].startswith("Bundle.entry[0]")
    patch = [{"op": "replace", "path": "/status", "value": "preliminary"}]
    outcome(api.patch(address, json=patch, headers={"Content-Type": "application/json-patch+json"}), 409)
    assert api.get(address).json() == final


def test_what_is_final_goes_on_to_what_is_later_and_back_only_knowingly(api: Api, ward: Ward, number: str) -> None:
    """Would break: a correction would be refused; or a replay of the first final would undo it."""
    final = api.make(result(ward, "final", number, issued="2026-11-01T10:00:00Z"))
    address = f"/DiagnosticReport/{final['id']}"
    corrected = {**final, "status": "corrected", "issued": "2026-11-02T10:00:00Z"}
    assert api.put(address, json=corrected).status_code == 200
    outcome(api.put(address, json=final), 409)
    outcome(api.put(address, json={**corrected, "issued": "2026-11-01T12:00:00Z"}), 409)
    assert api.put(address, json={**corrected, "issued": "2026-11-03T10:00:00Z"}).status_code == 200
    assert api.put(address, json=final, headers={"If-Match": 'W/"3"'}).status_code == 200, "it names what it replaces"


def test_a_change_of_a_result_settles_what_stands_beside_it(api: Api, number: str) -> None:
    """Would break: a preliminary result that came as a resource of its own would wait to be read for ever."""
    ward = Ward(api)
    one, two = (
        api.make(result(ward, "preliminary", number)),
        api.make(result(ward, "preliminary", number, conclusion="other")),
    )
    assert set(open_results(api, ward)) == {one["id"], two["id"]}, "two that differ are both to be read"
    api.make({**one, "status": "final"})
    assert open_results(api, ward) == [one["id"]]


def test_the_same_result_sent_at_once_is_linked(api: Api, ward: Ward, number: str) -> None:
    """Would break: two that are written at the same moment would not know of each other."""
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: api.make(result(ward, "final", number))["id"], range(8)))
    said = [acts(api, f"DiagnosticReport/{id_}") for id_ in made]
    assert sorted(said) == [[], *[["same-result"]] * 7]


def test_nothing_is_linked_that_is_not_the_same(api: Api, ward: Ward, number: str) -> None:
    """Would break: one number for all of a sample would link what has nothing to do with each other; or another patient's."""
    made: list[Any] = [api.make(result(ward, "final", number))]
    made.append(api.make(result(ward, "final", number, code={"text": "Kalium"})))
    made.append(api.make({**result(ward, "final", number), **ward.owned(ward.admit())}))
    made.append(api.make(result(ward, "final", number, identifier=[{"value": number}])))
    assert [acts(api, f"DiagnosticReport/{one['id']}") for one in made] == [[]] * 4


def test_who_may_not_see_the_other_is_told_nothing_by_a_refusal(
    api: Api, ward: Ward, number: str, journal: Instance
) -> None:
    """Would break A8: that a result is hidden would show in what an update of it is answered with."""
    final = api.make(result(ward, "final", number))
    elsewhere = Ward(api)
    stranger = Api(journal.url, journal.session(
        person=f"SE-{fresh()}", practitioner=f"n-{fresh()}", unit=elsewhere.unit, provider=elsewhere.provider))  # fmt: skip
    late = {**result(ward, "preliminary", number), "id": final["id"]}
    hidden = stranger.put(f"/DiagnosticReport/{final['id']}", json=late)
    nothing = stranger.put(f"/DiagnosticReport/{number}", json={**late, "id": number})
    assert hidden.status_code == nothing.status_code != 409
    assert "final" not in hidden.text
    stranger.close()
