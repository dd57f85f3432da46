"""The description of the API is true, and what schemathesis makes of it gets honest answers."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest
from tests.client import Api, outcome, patient

from vaka.fhir.definitions import RESOURCE_TYPES, parameters

TYPES = "Patient,Observation,Binary,Bundle"  # what has addresses, forms or rules of its own; the others take turns
SAMPLED = 6
SCHEMATHESIS_S = 600
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"


def test_every_described_address_is_one(api: Api, tag: str) -> None:
    """Would break: the description would promise what is not there."""
    described = api.get("/openapi.json", params={"types": TYPES}).json()["paths"]
    api.make(patient(tag, id=tag))
    for path, item in described.items():
        address = path.replace("{id}", tag).replace("{version}", "1").replace("{type}", "Observation")
        for method in item.keys() - {"parameters"}:
            answer = api.request(method.upper(), address, content=b"{}" if method in ("put", "post", "patch") else None)
            assert answer.status_code != 405, f"{method} {path}"
            assert "no such address" not in answer.text, f"{method} {path}"
            assert answer.status_code < 500, f"{method} {path}: {answer.text}"


def test_all_types_with_all_their_search_parameters_are_described(api: Api) -> None:
    """Would break: the description would be less than the server."""
    described = api.get("/openapi.json").json()["paths"]
    for type_ in RESOURCE_TYPES:
        names = {one["name"] for one in described[f"/{type_}"]["get"]["parameters"]}
        assert names >= {p.code for p in parameters(type_).values() if p.supported}
    outcome(api.get("/openapi.json", params={"types": "Nothing"}), 404)


@pytest.mark.slow
@pytest.mark.timeout(SCHEMATHESIS_S + 300)
def test_schemathesis(api: Api, tmp_path: Path) -> None:
    """Would break: an answer that the description does not allow, or a 500, for something that it does allow."""
    seed = random.randrange(2**32)
    others = random.Random(seed).sample(sorted(set(RESOURCE_TYPES) - {*TYPES.split(",")}), SAMPLED)
    types = ",".join((TYPES, *others))
    print(f"seed {seed}: {types}")
    (tmp_path / "described.json").write_bytes(api.get("/openapi.json", params={"types": types}).content)
    command = [
        sys.executable, "-m", "schemathesis.cli", "run", str(tmp_path / "described.json"), "--url", api.root + "/fhir",
        "-H", f"Authorization: {api.headers['Authorization']}", "--checks", CHECKS, "--seed", str(seed),
        "--max-examples", "40", "--max-time", str(SCHEMATHESIS_S), "--request-timeout", "30",
        "--phases", "examples,coverage,fuzzing", "--no-color", "--generation-database", "none",
    ]  # fmt: skip
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=SCHEMATHESIS_S + 240, check=False
    )
    print(done.stdout[-1500:])
    assert done.returncode == 0, f"seed {seed}: {types}\n{done.stdout[-6000:]}{done.stderr[-2000:]}"
