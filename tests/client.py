"""What API tests ask a server with: httpx with a token, and the few questions that nearly every test asks."""

from __future__ import annotations

import uuid
from typing import Any

import httpx

Resource = dict[str, Any]
SYSTEM = "http://example.org/test"


class Api(httpx.Client):
    """A client of one server; addresses are below ``/fhir``. ``root``: the server's address without ``/fhir``."""

    written = 0
    """How many requests of all clients may have changed something: what a copy under test has to follow."""

    def __init__(self, root: str, token: str | None, *, transport: httpx.BaseTransport | None = None) -> None:
        self.root = root
        headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
        super().__init__(base_url=root + "/fhir", headers=headers, timeout=60, transport=transport)

    def send(self, request: httpx.Request, **how: Any) -> httpx.Response:
        answer = super().send(request, **how)
        if request.method not in ("GET", "HEAD"):
            Api.written += 1
        return answer

    def make(self, resource: Resource, **headers: str) -> Resource:
        """Creates ``resource`` (under its id, if it has one) and returns it as stored."""
        type_, id_ = resource["resourceType"], resource.get("id")
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = (
            self.put(f"/{type_}/{id_}", json=resource, headers=sent)
            if id_
            else self.post(f"/{type_}", json=resource, headers=sent)
        )
        assert answer.status_code in (200, 201), answer.text
        stored = answer.json()
        assert isinstance(stored, dict)
        return stored

    def bundle(self, address: str, *, status: int = 200, **headers: str) -> Resource:
        """The Bundle at ``address``, which must answer with ``status``."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = self.get(address, headers=sent)
        assert answer.status_code == status, f"{address[:300]}: {answer.status_code} {answer.text[:1000]}"
        found = answer.json()
        assert isinstance(found, dict)
        return found

    def ids(self, address: str) -> list[str]:
        """Ids of the matches on all pages of a search, in their order."""
        found: list[str] = []
        while True:
            page = self.bundle(address)
            found += [entry["resource"]["id"] for entry in entries(page)]
            following = link(page, "next")
            if following is None:
                return found
            address = following

    def transact(self, *requests: Resource, type_: str = "transaction", **headers: str) -> httpx.Response:
        """Posts a bundle of entries."""
        bundle = {"resourceType": "Bundle", "type": type_, "entry": list(requests)}
        return self.post("", json=bundle, headers={name.replace("_", "-"): value for name, value in headers.items()})


def entries(bundle: Resource, mode: str = "match") -> list[Resource]:
    """Entries of a searchset by their mode."""
    return [entry for entry in bundle.get("entry", []) if entry["search"]["mode"] == mode]


def link(bundle: Resource, relation: str) -> str | None:
    return next((one["url"] for one in bundle["link"] if one["relation"] == relation), None)


def outcome(answer: httpx.Response, status: int) -> list[Resource]:
    """The issues of an OperationOutcome that came with ``status``."""
    assert answer.status_code == status, f"{answer.status_code}: {answer.text[:1000]}"
    told = answer.json()
    assert told["resourceType"] == "OperationOutcome", told
    issues = told["issue"]
    assert issues, told
    assert all(issue["severity"] and issue["code"] for issue in issues), told
    return list(issues)


def fresh() -> str:
    """A value that no other test uses."""
    return uuid.uuid4().hex


def identifier(value: str, system: str = SYSTEM) -> Resource:
    return {"system": system, "value": value}


def patient(tag: str, **members: Any) -> Resource:
    return {"resourceType": "Patient", "identifier": [identifier(tag)], **members}


def observation(tag: str, **members: Any) -> Resource:
    code = {"coding": [{"system": "http://loinc.org", "code": "8480-6"}]}
    return {
        "resourceType": "Observation",
        "identifier": [identifier(tag)],
        "status": "final",
        "code": code,
        **members,
    }


def put(resource: Resource, **request: str) -> Resource:
    """A bundle entry that updates ``resource``."""
    url = f"{resource['resourceType']}/{resource['id']}"
    return {"resource": resource, "request": {"method": "PUT", "url": url, **request}}


def post(resource: Resource, full_url: str | None = None, **request: str) -> Resource:
    """A bundle entry that creates ``resource``."""
    made: Resource = {"resource": resource, "request": {"method": "POST", "url": resource["resourceType"], **request}}
    return {"fullUrl": full_url, **made} if full_url else made


def ask(method: str, url: str, **request: str) -> Resource:
    """A bundle entry without resource."""
    return {"request": {"method": method, "url": url, **request}}
