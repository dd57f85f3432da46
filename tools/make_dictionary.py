"""Trains the zstd dictionary that new bodies are compressed with: ``python tools/make_dictionary.py``, on the demo region.

Writes src/vaka/store/zstd.dict. A dictionary that was released is never changed: a new one gets the next number in
``vaka.store.codec``, because stored bodies name theirs.
"""

from __future__ import annotations

import random
from datetime import date
from pathlib import Path

import zstandard

from vaka.region.generate import generate

_TARGET = Path(__file__).parents[1] / "src" / "vaka" / "journal" / "zstd.dict"
_SIZE_BYTES = 96 * 1024
_SAMPLES = 12_000
_HEAD = (
    b'"id":"01a209cd-890b-73ec-9892-cf90c5898722","meta":{"versionId":"1","lastUpdated":"2026-11-23T19:06:34.639Z"},'
)


def main() -> None:
    """Trains on what is stored: resources with id and meta as the journal sets them; measures on others."""
    chance = random.Random(1)
    lines = [text for _, text in generate(400, 1, date(2026, 11, 23))]
    chance.shuffle(lines)
    samples: list[bytes | bytearray | memoryview[int]] = [
        line[:1] + _HEAD + line[1:] for line in lines[: _SAMPLES + 4_000]
    ]
    dictionary = zstandard.train_dictionary(_SIZE_BYTES, samples[:_SAMPLES])
    _TARGET.write_bytes(dictionary.as_bytes())
    compressor = zstandard.ZstdCompressor(level=3, dict_data=dictionary)
    others = samples[_SAMPLES:]
    before, after = sum(map(len, others)) / len(others), sum(len(compressor.compress(o)) for o in others) / len(others)
    print(f"{before:.0f} bytes a resource become {after:.0f}")


if __name__ == "__main__":
    main()
