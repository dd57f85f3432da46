"""Makes ``src/vaka/region/region.ndjson.zst``, the packaged demo region.

Needs the output of two generators (see docs/decisions/0004-demo-region.md), which are not needed to run Vaka::

    synthea generate -p 340 -s 20260101 -r 20260101 --profile none --threads 1 -o SYNTHEA
    clinosim simulate -o CLINOSIM -p 3000 -s 7 --country US --start 2025-07-01 --end 2026-01-01 --format fhir-r4
    python tools/make_region.py --synthea SYNTHEA [SYNTHEA …] --clinosim CLINOSIM

The same input gives the same file.
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


def lines(records: list[Record]) -> Iterator[bytes]:
    """The lines of the file."""
    staff = [[one.given, one.family, one.female] for one in region_places.STAFF]
    yield _json({"region": {"name": "Region Vikmark", "staff": staff, "patients": len(records)}})
    for resource in region_places.directory():
        yield _json(resource)
    for record in records:
        yield _json({"person": _person(record)})
        for after, resource in record.lines:
            yield after.encode() + _json(resource)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--synthea", type=Path, nargs="+", required=True)
    parser.add_argument("--clinosim", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=_OUT)
    given = parser.parse_args()
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
