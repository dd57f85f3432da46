"""The capability statement is true: every parameter and interaction that it names works, and it names all there are."""

from __future__ import annotations

import ast
import inspect
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from tests.client import Api, fresh, outcome

from vaka.api import journal_routes, routes
from vaka.api.interactions import capabilities
from vaka.fhir.definitions import RESOURCE_TYPES, parameters

VALUES = {
    "token": "http://example.org/x|abc", "string": "abc", "date": "ge2024-01-01", "number": "5.4", "quantity": "5.4|http://unitsofmeasure.org|mg",
    "uri": "http://example.org/x", "reference": "abc", "composite": None,
}  # fmt: skip


@pytest.fixture(scope="module")
def statement(api: Api) -> dict[str, Any]:
    answer = httpx.get(api.root + "/fhir/metadata")
    assert answer.status_code == 200, "metadata needs no token"
    found: dict[str, Any] = answer.json()
    return found


def test_it_is_valid_and_true_to_this_server(api: Api, statement: dict[str, Any]) -> None:
    """Would break: clients read FHIR version, formats and address from it."""
    checked = api.post("/CapabilityStatement/$validate", json=statement)
    assert [i["severity"] for i in outcome(checked, 200)] == ["information"], checked.text[:1000]
    assert statement["fhirVersion"] == "4.0.1"
    assert statement["implementation"]["url"] == api.root + "/fhir"
    assert [one["type"] for one in statement["rest"][0]["resource"]] == list(RESOURCE_TYPES)


def searched(type_: str, one: dict[str, str]) -> str:
    """A search by the parameter with a value of its kind; a composite by a value for each of its parts."""
    value = "abc" if one["name"] == "_id" else VALUES[one["type"]]
    if value is None:
        value = "$".join(VALUES[kind] or "" for _, kind in parameters(type_)[one["name"]].components)
    return f"{one['name']}={quote(value, safe='')}"


@pytest.mark.parametrize("first", range(0, 146, 37))
def test_every_search_parameter_that_it_names_works(api: Api, statement: dict[str, Any], first: int) -> None:
    """Would break: a parameter that is told of and refused, ignored, or answered by an error."""
    failed = []
    for resource in statement["rest"][0]["resource"][first : first + 37]:
        type_ = resource["type"]
        kinds: dict[str, list[dict[str, str]]] = {}
        for one in resource["searchParam"]:
            kinds.setdefault(one["type"], []).append(one)
        for ones in kinds.values():
            for one in [ones[0], ones[-1]] if len(ones) > 1 else ones:
                address = f"/{type_}?{searched(type_, one)}&_count=1"
                answer = api.get(address, headers={"Prefer": "handling=strict"})
                if answer.status_code != 200:
                    failed.append(f"{address}: {answer.status_code} {answer.text[:200]}")
    assert not failed, "\n".join(failed[:20])


def test_every_parameter_of_the_specification_is_named_or_listed_as_not_supported(statement: dict[str, Any]) -> None:
    """Would break: a parameter that works and is not told of, or is told of and does not."""
    for resource in statement["rest"][0]["resource"]:
        told = {one["name"]: one["type"] for one in resource["searchParam"]}
        known = {p.code: p.kind for p in parameters(resource["type"]).values() if p.supported}
        assert told == known
        assert all(p.reason for p in parameters(resource["type"]).values() if not p.supported)


def test_every_include_that_it_names_works(api: Api, statement: dict[str, Any]) -> None:
    """Would break: _include and _revinclude of what is told of, one of each type."""
    for resource in statement["rest"][0]["resource"]:
        type_ = resource["type"]
        for name in [*resource["searchInclude"][:1], *resource["searchInclude"][-1:]]:
            assert (
                api.get(f"/{type_}?_include={name}&_count=1", headers={"Prefer": "handling=strict"}).status_code == 200
            )
        for name in resource["searchRevInclude"][:2]:
            answer = api.get(f"/{type_}?_revinclude={name}&_count=1", headers={"Prefer": "handling=strict"})
            assert answer.status_code == 200, (type_, name, answer.text[:300])


def test_the_interactions_are_those_of_the_routes(statement: dict[str, Any]) -> None:
    """Would break: a route without its line in the statement, or a line without route (the routes are read for it)."""
    tree = ast.parse(inspect.getsource(routes.answer) + inspect.getsource(journal_routes.answer))
    called = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    handlers = called & {
        "read",
        "vread",
        "create",
        "update",
        "patch",
        "delete",
        "history",
        "search",
        "transaction",
    }
    told = {one["code"] for one in statement["rest"][0]["resource"][0]["interaction"]}
    told |= {one["code"] for one in statement["rest"][0]["interaction"]}
    names = {
        "read": {"read"}, "vread": {"vread"}, "create": {"create"}, "update": {"update"}, "patch": {"patch"}, "delete": {"delete"},
        "history": {"history-instance", "history-type", "history-system"}, "search": {"search-type", "search-system"},
        "transaction": {"transaction", "batch"},
    }  # fmt: skip
    assert told == set().union(*(names[handler] for handler in handlers))
    assert told == {*capabilities.INTERACTIONS, *capabilities.SYSTEM_INTERACTIONS}
    operations = {one["name"] for one in statement["rest"][0]["operation"]}
    operations |= {o["name"] for r in statement["rest"][0]["resource"] for o in r.get("operation", [])}
    answered = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and str(node.value)[:1] == "$"}
    assert operations == {str(name)[1:] for name in (answered | journal_routes.ON_ENTRIES.keys()) - {"$"}}


def test_every_operation_works(api: Api) -> None:
    """Would break: $validate at system, type and instance, with and without Parameters; and what is no operation."""
    good, bad = {"resourceType": "Patient"}, {"resourceType": "Patient", "gender": "femail"}
    for address in ("/$validate", "/Patient/$validate"):
        assert outcome(api.post(address, json=good), 200)[0]["severity"] == "information"
        issue = outcome(api.post(address, json=bad), 200)[0]
        assert (issue["severity"], issue["expression"]) == ("error", ["Patient.gender"])
        asked = {"resourceType": "Parameters", "parameter": [{"name": "resource", "resource": bad}]}
        assert outcome(api.post(address, json=asked), 200)[0]["severity"] == "error"
    id_ = api.make(good)["id"]
    assert outcome(api.get(f"/Patient/{id_}/$validate"), 200)[0]["severity"] == "information"
    assert outcome(api.post("/Patient/$validate?mode=update", json=good), 200)[0]["expression"] == ["Patient.id"]
    outcome(api.post("/Patient/$validate?mode=x", json=good), 400)
    for address in (
        "/$export",
        "/Patient/$everything-else",
        f"/Patient/{id_}/$meta",
        f"/Observation/{fresh()}/$everything",
    ):
        outcome(api.get(address), 404)
        outcome(api.post(address, json=good), 404)


def test_validate_says_no_more_than_it_has_looked_at(api: Api) -> None:
    """Would break: "would be accepted" though a profile was asked for; a delete that needs a resource; an id of another."""
    good = {"resourceType": "Patient"}
    id_ = api.make(good)["id"]
    profiled = {"name": "profile", "valueUri": "http://example.org/p"}
    asked = {"resourceType": "Parameters", "parameter": [{"name": "resource", "resource": good}, profiled]}
    for answer in (
        api.post("/Patient/$validate?profile=http://example.org/p", json=good),
        api.post("/Patient/$validate", json=asked),
    ):
        assert [(i["severity"], i["code"]) for i in outcome(answer, 200)] == [
            ("warning", "not-supported"),
            ("information", "informational"),
        ]
    unknown = outcome(api.post("/Patient/$validate?foo=x", json=good), 200)
    assert (unknown[0]["severity"], unknown[0]["expression"]) == ("warning", ["foo"])
    deleting = {"resourceType": "Parameters", "parameter": [{"name": "mode", "valueCode": "delete"}]}
    for answer in (
        api.post(f"/Patient/{id_}/$validate?mode=delete"),
        api.post(f"/Patient/{id_}/$validate", json=deleting),
        api.get(f"/Patient/{id_}/$validate?mode=delete"),
    ):
        assert "decided when you do" in outcome(answer, 200)[0]["diagnostics"]
    assert api.get(f"/Patient/{id_}").status_code == 200
    outcome(api.post(f"/Patient/never-{id_}/$validate?mode=delete"), 404)
    outcome(api.post("/Patient/$validate?mode=delete"), 400)
    other = outcome(api.post(f"/Patient/{id_}/$validate", json=good | {"id": "other"}), 200)
    assert [(i["severity"], i["expression"]) for i in other] == [("error", ["Patient.id"])]
