"""How bodies are kept: zstd with a trained dictionary, which the database holds beside them.

A body names its dictionary, so new ones can be added while old bodies stay readable. 0 means zstd without one.
"""

from __future__ import annotations

from importlib.resources import files

import zstandard

from vaka import config
from vaka.errors import Fault

CURRENT = 1
"""The dictionary that new bodies are compressed with."""

_LEVEL = 3


def packaged_dictionary() -> bytes:
    """The dictionary that ``tools/make_dictionary.py`` trained on the demo region."""
    return (files("vaka.store") / "zstd.dict").read_bytes()


class Codec:
    """Compresses and decompresses bodies. Not for use from several threads at once."""

    def __init__(self, dictionaries: dict[int, bytes]) -> None:
        self._dictionaries = {n: zstandard.ZstdCompressionDict(content) for n, content in dictionaries.items()}
        self._decompressors = {n: zstandard.ZstdDecompressor(dict_data=d) for n, d in self._dictionaries.items()}
        self._decompressors[0] = zstandard.ZstdDecompressor()
        current = self._dictionaries.get(CURRENT)
        self._number = CURRENT if current else 0
        if current:
            current.precompute_compress(level=_LEVEL)
            self._compressor = zstandard.ZstdCompressor(level=_LEVEL, dict_data=current)
        else:
            self._compressor = zstandard.ZstdCompressor(level=_LEVEL)

    def compress(self, body: bytes) -> tuple[int, bytes]:
        """(dictionary number, compressed)."""
        return self._number, self._compressor.compress(body)

    def decompress(self, dictionary: int, compressed: bytes) -> bytes:
        decompressor = self._decompressors.get(dictionary)
        if decompressor is None:
            raise Fault(f"a body needs dictionary {dictionary}, which this journal does not hold")
        return decompressor.decompress(compressed, max_output_size=config.BODY_MAX_BYTES * 2)
