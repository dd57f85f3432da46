"""Makes ``src/vaka/region/region.ndjson.zst``, the packaged demo region.

Needs the output of two generators (see docs/decisions/0004-demo-region.md), which are not needed to run Vaka::

    synthea generate -p 340 -s 20260101 -r 20260101 --profile none --threads 1 -o SYNTHEA
    clinosim simulate -o CLINOSIM -p 3000 -s 7 --country US --start 2025-07-01 --end 2026-01-01 --format fhir-r4
    python tools/make_region.py --synthea SYNTHEA [SYNTHEA …] --clinosim CLINOSIM

The same input gives the same file. A change of providers, units or staff alone needs neither: it is put into the file that is
there, whose people stay as they are::

    python tools/make_region.py --directory
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import zstandard

import region_places
from region_people import everybody
from region_record import Record

_OUT = Path(__file__).parent.parent / "src/vaka/region/region.ndjson.zst"
_LEVEL = 19
_MAX_BYTES = 1 << 30


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _person(record: Record) -> dict[str, Any]:
    born = record.born if isinstance(record.born, int) else record.born.isoformat()
    return {
        "key": record.key,
        "female": record.female,
        "born": born,
        "given": record.given,
        "family": record.family,
        "number": record.number,
        "ids": record.ids,
    }


def places(patients: int) -> Iterator[bytes]:
    """The lines before the first person."""
    staff = [[one.given, one.family, one.female] for one in region_places.STAFF]
    yield _json({"region": {"name": "Region Vikmark", "staff": staff, "patients": patients}})
    for resource in region_places.directory():
        yield _json(resource)


def lines(records: list[Record]) -> Iterator[bytes]:
    """The lines of the file."""
    yield from places(len(records))
    for record in records:
        yield _json({"person": _person(record)})
        for after, resource in record.lines:
            yield after.encode() + _json(resource)


def renew(path: Path) -> None:
    """Puts the directory of ``region_places`` in the place of the one in ``path``."""
    old = zstandard.ZstdDecompressor().decompress(path.read_bytes(), max_output_size=_MAX_BYTES)
    patients = json.loads(old[: old.index(b"\n")])["region"]["patients"]
    people = old[old.index(b'\n{"person"') + 1 :]
    content = b"\n".join(places(patients)) + b"\n" + people
    path.write_bytes(zstandard.ZstdCompressor(level=_LEVEL).compress(content))
    print(f"{len(content) / 1e6:.1f} MB, of which {len(people) / 1e6:.1f} MB people as before")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--synthea", type=Path, nargs="+")
    parser.add_argument("--clinosim", type=Path)
    parser.add_argument("--directory", action="store_true", help="renew providers, units and staff alone")
    parser.add_argument("--out", type=Path, default=_OUT)
    given = parser.parse_args()
    if given.directory:
        renew(given.out)
        return
    if not given.synthea or given.clinosim is None:
        parser.error("--synthea and --clinosim are needed, or --directory")
    records = everybody(given.synthea, given.clinosim, Random(20260101))
    content = b"\n".join(lines(records)) + b"\n"
    packed = zstandard.ZstdCompressor(level=_LEVEL).compress(content)
    given.out.write_bytes(packed)
    sizes = sorted(len(record.lines) for record in records)
    print(
        f"{len(records)} people, {sum(sizes)} resources (median {sizes[len(sizes) // 2]}, largest {sizes[-5:]}), "
        f"{len(content) / 1e6:.1f} MB, packed {len(packed) / 1e6:.2f} MB"
    )


if __name__ == "__main__":
    main()
