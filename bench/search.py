"""How search grows with the region: the middle answer time with 16,000 patients by that with 1,000, same questions.

Two journals at once, so that the questions can be asked of both in turn; one client. Of each patient at most
``PER_PATIENT`` resources are loaded, so that 16,000 patients load in minutes.
"""

from __future__ import annotations

import random
import subprocess
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from urllib.parse import quote

import httpx
import orjson
import zstandard
from bench.figure import Figure
from bench.place import Place, place, vaka

from vaka.region.generate import generate

SMALL, LARGE = 1_000, 16_000
PER_PATIENT = 40
ASKED = 150
PERSONNUMMER = "http://electronichealth.se/identifier/personnummer"


@dataclass(slots=True)
class Region:
    """What questions can be made of: (id, personnummer) of patients, their observations' codes, units, common codes."""

    patients: list[tuple[str, str]] = field(default_factory=list)
    observed: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    units: Counter[str] = field(default_factory=Counter)
    measured: Counter[str] = field(default_factory=Counter)
    resources: int = 0


def _lines(patients: int, region: Region) -> Iterator[bytes]:
    kept: Counter[str] = Counter()
    for type_, text in generate(patients, 7, datetime.now(UTC).date()):
        resource = orjson.loads(text)
        subject = resource.get("subject") or resource.get("patient") or {}
        owner = subject.get("reference", "") if isinstance(subject, dict) else ""
        in_progress = type_ == "Encounter" and resource.get("status") == "in-progress"
        if owner.startswith("Patient/"):
            kept[owner] += 1
            if kept[owner] > PER_PATIENT and not in_progress:
                continue
        region.resources += 1
        if type_ == "Patient":
            numbers = [i["value"] for i in resource.get("identifier", []) if i.get("system") == PERSONNUMMER]
            if numbers:
                region.patients.append((resource["id"], numbers[0]))
        elif type_ == "Observation":
            for coding in resource["code"].get("coding", [])[:1]:
                region.observed[owner.removeprefix("Patient/")].append(coding["code"])
                if "valueQuantity" in resource:
                    region.measured[coding["code"]] += 1
        elif in_progress:
            region.units[resource.get("serviceProvider", {}).get("reference", "")] += 1
        yield text + b"\n"


def _load(running: Place, patients: int, folder: Path) -> Region:
    region = Region()
    path = folder / f"{patients}.ndjson.zst"
    with path.open("wb") as file, zstandard.ZstdCompressor(level=1).stream_writer(file) as out:
        for line in _lines(patients, region):
            out.write(line)
    done = subprocess.run(vaka("load", str(path), "--data", str(running.data)), check=False, capture_output=True)
    if done.returncode not in (0, 65):  # 65: some was refused; the questions are of what is there
        raise RuntimeError(done.stderr.decode(errors="replace")[-2_000:])
    return region


def _questions(region: Region, chance: random.Random) -> dict[str, Callable[[], str]]:
    units = [unit for unit, _ in region.units.most_common(8)]
    codes = [code for code, _ in region.measured.most_common(5)]
    observed = [patient for patient in region.patients if region.observed[patient[0]]]

    def latest() -> str:
        patient = chance.choice(observed)[0]
        return f"Observation?patient={patient}&code={chance.choice(region.observed[patient])}&_sort=-date&_count=20"

    def chains() -> str:
        number = chance.choice(observed)[1]
        unit = chance.choice(units).removeprefix("Organization/")
        return (
            f"Observation?subject:Patient.identifier={quote(PERSONNUMMER)}|{number}"
            f"&encounter:Encounter.service-provider:Organization._id={unit}&_count=20"
        )

    return {
        "by identifier": lambda: f"Patient?identifier={quote(PERSONNUMMER)}|{chance.choice(region.patients)[1]}",
        "a patient's observations by code, newest first": latest,
        "encounters in progress at a unit": lambda: (
            f"Encounter?status=in-progress&service-provider={chance.choice(units)}&_count=20"
        ),
        "two chains": chains,
        "composite": lambda: (
            f"Observation?code-value-quantity={chance.choice(codes)}$gt{chance.randint(1, 150)}&_count=20"
        ),
    }


def measure() -> list[Figure]:
    chance = random.Random(1)
    times: dict[str, tuple[list[float], list[float]]] = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        sides = []
        for patients in (SMALL, LARGE):
            running = stack.enter_context(place())
            region = _load(running, patients, folder)
            client = stack.enter_context(
                httpx.Client(
                    base_url=f"http://127.0.0.1:{running.port}/fhir/",
                    headers={"Authorization": f"Bearer {running.token}"},
                    timeout=60,
                )
            )
            running.pin()
            sides.append((client, region, _questions(region, chance)))
        for name in sides[0][2]:
            times[name] = ([], [])
            for number in range(ASKED + 20):
                for side, (client, _, questions) in enumerate(sides):
                    address = questions[name]()
                    began = time.perf_counter()
                    answer = client.get(address)
                    elapsed = (time.perf_counter() - began) * 1_000
                    assert answer.status_code == 200, answer.text
                    if number >= 20:
                        times[name][side].append(elapsed)
        sizes = [region.resources for _, region, _ in sides]
    found = []
    for name, (small, large) in times.items():
        detail = (
            f"p50 {median(large):.2f} ms with {LARGE:,} patients ({sizes[1]:,} resources), {median(small):.2f} ms with"
            f" {SMALL:,} ({sizes[0]:,}); {ASKED} questions each, in turn"
        )
        value = round(median(large) / median(small), 2)
        found.append(
            Figure(f"search: {name}", "growth of p50 from 1,000 to 16,000 patients", value, "×", 1.5, 1.2, True, detail)
        )
    return found
