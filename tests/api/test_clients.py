"""Programs that others wrote create, search, page and transact here without knowing this server."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.client import SYSTEM, Api

COUNT = 7


def token(api: Api) -> str:
    return api.headers["Authorization"].removeprefix("Bearer ")


def transaction(tag: str) -> dict[str, Any]:
    """A patient and an observation of it, linked inside the bundle."""
    url = "urn:uuid:6f3d1c1e-4a53-4a1c-9f4a-3f1d6d0e5a01"
    subject = {"resourceType": "Patient", "identifier": [{"system": SYSTEM, "value": f"{tag}-t"}]}
    measured = {"resourceType": "Observation", "status": "final", "code": {"text": tag}, "subject": {"reference": url}}
    return {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {"fullUrl": url, "resource": subject, "request": {"method": "POST", "url": "Patient"}},
            {"resource": measured, "request": {"method": "POST", "url": "Observation"}},
        ],
    }


def linked(api: Api, tag: str) -> bool:
    """Whether the transaction's observation leads to its patient."""
    return len(api.ids(f"/Observation?subject:Patient.identifier={SYSTEM}|{tag}-t")) == 1


def test_fhirclient(api: Api, tag: str) -> None:
    """Would break: the SMART client for Python (its strict models, its paging by ``next`` links)."""
    from fhirclient import client
    from fhirclient.models.bundle import Bundle
    from fhirclient.models.humanname import HumanName
    from fhirclient.models.identifier import Identifier
    from fhirclient.models.patient import Patient

    smart = client.FHIRClient(settings={"app_id": "tests", "api_base": api.root + "/fhir"})
    smart.server.session.headers["Authorization"] = api.headers["Authorization"]
    for number in range(COUNT):
        person = Patient()
        person.identifier = [Identifier({"system": SYSTEM, "value": tag})]
        person.name = [HumanName({"family": "Öberg", "given": [f"Åsa {number}"]})]
        created = person.create(smart.server)
        assert created is not None
        read = Patient.read(created["id"], smart.server)
        assert read.name[0].given == [f"Åsa {number}"]
    search = Patient.where({"identifier": f"{SYSTEM}|{tag}", "_count": "3"})
    found = list(search.perform_resources_iter(smart.server))
    assert len({patient.id for patient in found}) == COUNT
    read.active = True
    assert read.update(smart.server)["meta"]["versionId"] == "2"
    answer = smart.server.post_json("", Bundle(transaction(tag)).as_json())
    assert answer.status_code == 200
    assert linked(api, tag)
    found[0].delete(smart.server)
    assert len(list(search.perform_resources_iter(smart.server))) == COUNT - 1


def test_fhirpy(api: Api, tag: str) -> None:
    """Would break: the client that many Python back ends use (its lazy searches, its saves by PUT and PATCH)."""
    from fhirpy import SyncFHIRClient

    remote = SyncFHIRClient(api.root + "/fhir", authorization=api.headers["Authorization"])
    for number in range(COUNT):
        person = remote.resource("Patient", identifier=[{"system": SYSTEM, "value": tag}], active=True)
        person["name"] = [{"family": f"Ek {number}"}]
        person.save()
        assert person.id
    search = remote.resources("Patient").search(identifier=f"{SYSTEM}|{tag}")
    assert search.count() == COUNT
    assert len({found.id for found in search.limit(3).fetch_all()}) == COUNT
    person["active"] = False
    person.save()
    person.refresh()
    assert person["active"] is False
    assert person["meta"]["versionId"] == "2"
    answer = remote.execute("", method="POST", data=transaction(tag))
    assert answer["type"] == "transaction-response"
    assert linked(api, tag)
    person.delete()  # type: ignore[no-untyped-call]
    assert search.count() == COUNT - 1


SCRIPT = """
import * as kit from "fhir-kit-client";
const Client = kit.Client ?? kit.default;
const { base, token, tag, system, bundle, count } = JSON.parse(process.argv[2]);
const client = new Client({ baseUrl: base, customHeaders: { Authorization: `Bearer ${token}` } });
for (let n = 0; n < count; n++) {
  const made = await client.create({ resourceType: "Patient", body: { resourceType: "Patient",
    identifier: [{ system, value: tag }] } });
  await client.read({ resourceType: "Patient", id: made.id });
}
let page = await client.search({ resourceType: "Patient", searchParams: { identifier: `${system}|${tag}`, _count: 3 } });
const ids = new Set();
while (page) {
  for (const entry of page.entry ?? []) ids.add(entry.resource.id);
  page = await client.nextPage({ bundle: page });
}
const capabilities = await client.capabilityStatement();
const done = await client.transaction({ body: bundle });
console.log(JSON.stringify({ ids: ids.size, type: done.type, version: capabilities.fhirVersion }));
"""


@pytest.mark.slow
def test_fhir_kit_client(api: Api, tag: str, tmp_path: Path) -> None:
    """Would break: the client that programs in a browser or on Node use."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        pytest.fail("this test needs node and npm: install them (Debian: apt-get install npm) and run it again")
    (tmp_path / "package.json").write_text('{"type": "module", "private": true}')
    subprocess.run([npm, "install", "--no-audit", "--no-fund", "fhir-kit-client"], cwd=tmp_path, check=True)
    (tmp_path / "run.js").write_text(SCRIPT)
    asked = {
        "base": api.root + "/fhir",
        "token": token(api),
        "tag": tag,
        "system": SYSTEM,
        "bundle": transaction(tag),
        "count": COUNT,
    }
    done = subprocess.run(
        [node, "run.js", json.dumps(asked)], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"ids": COUNT, "type": "transaction-response", "version": "4.0.1"}
    assert linked(api, tag)
