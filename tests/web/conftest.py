"""One server for the tests of pages: a demo, with an identity service of our own beside it."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import date
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
import zstandard
from bench.running import running
from tests.client import Api
from tests.conftest import Instance
from tests.web.browser import Browser
from tests.web.identity import CLIENT, SECRET, Identity

from vaka.region import demo as demo_region

FILLED_MAX_S = 120.0


@pytest.fixture(scope="session")
def the_identity() -> Iterator[Identity]:
    made = Identity()
    yield made
    made.server.shutdown()


@pytest.fixture
def identity(the_identity: Identity) -> Identity:
    """The identity service, behaving well."""
    the_identity.reset()
    return the_identity


def staff_alone(run: Path) -> None:
    """Leaves the demo's filling only the staff and their units to do: as if it had been cut off, it goes on with this file."""
    run.mkdir(mode=0o700)
    before_patients = takewhile(
        lambda text: b'"resourceType":"Patient"' not in text, demo_region.resources(date(2026, 1, 1))
    )
    (run / "demo.ndjson.zst").write_bytes(zstandard.compress(b"\n".join(before_patients) + b"\n"))


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory, the_identity: Identity) -> Iterator[Instance]:
    """A running demo. At the end: it must never have failed on a request."""
    data = tmp_path_factory.mktemp("demo") / "data"
    settings = data / "settings"
    settings.mkdir(parents=True)
    data.chmod(0o700)
    (settings / "secret").write_text(SECRET)
    (settings / "secret").chmod(0o600)
    service = {"name": "Test's identity", "issuer": the_identity.issuer, "client_id": CLIENT, "secret_file": "secret"}
    elsewhere = service | {"name": "Capella's identity", "provider": "TSTVAKA0002-1000"}
    (settings / "identity.json").write_text(json.dumps([service, elsewhere]))
    staff_alone(data / "run")
    with running(data, "--demo") as vaka:
        instance = Instance(vaka.url, data)
        deadline = time.monotonic() + FILLED_MAX_S
        with Api(instance.url, instance.token("tests")) as api:
            while api.bundle("/PractitionerRole?_summary=count")["total"] < 100:
                assert time.monotonic() < deadline, "the demo region was not loaded"
                time.sleep(0.2)
        yield instance
    assert not instance.faults()


@pytest.fixture(scope="session")
def npm(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Installs npm packages for this run; the folder that they are in."""

    def install(*packages: str) -> Path:
        if shutil.which("npm") is None:
            pytest.skip("no npm here: on Debian, apt-get install npm")
        folder = tmp_path_factory.mktemp("npm")
        command = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(folder), *packages]
        told = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
        assert told.returncode == 0, told.stderr
        return folder

    return install


@pytest.fixture
def browser(demo: Instance) -> Browser:
    return Browser(demo.url)


@pytest.fixture
def record(demo: Instance) -> Iterator[Api]:
    """A client of the demo's record with full rights."""
    with Api(demo.url, demo.token("tests")) as made:
        yield made


@pytest.fixture
def employ(record: Api, tag: str) -> Callable[..., str]:
    """Puts a person into the record with roles at units of the demo region; the HSA-id. Names end in the test's tag."""

    def make(*units: str, **members: Any) -> str:
        hsa = f"TSTVAKA0009-P{tag[:12].upper()}"
        record.make(
            {
                "resourceType": "Practitioner", "id": f"p-{tag}", "name": [{"family": f"Test-{tag[:6]}", "given": ["Tove"]}],
                "identifier": [{"system": "urn:oid:1.2.752.129.2.1.4.1", "value": hsa}],
            }
        )  # fmt: skip
        for unit in units:
            record.make(
                {
                    "resourceType": "PractitionerRole", "id": f"r-{tag}-{unit}"[:64], "active": True,
                    "identifier": [{"system": "urn:oid:1.2.752.129.2.1.4.1", "value": f"{hsa}-{unit.upper()}"}],
                    "practitioner": {"reference": f"Practitioner/p-{tag}"}, "organization": {"reference": f"Organization/{unit}"},
                    "code": [{"coding": [{"system": "urn:oid:1.2.752.116.3.1.3", "code": "SJ"}], "text": "Sjuksköterska"}],
                    **members,
                }
            )  # fmt: skip
        return hsa

    return make
