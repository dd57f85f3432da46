"""Files to be loaded, as texts: each line of an NDJSON file, or a whole JSON document. Bounded memory.

Which of the two a file is, its first line says: complete JSON, and it is lines. ``.gz`` and ``.zst`` are told by their
first bytes. Invariants: a text's place leads a person back to it; an id that is made here is the same each time the
same content is loaded (RFC 9562, version 5 over the content's hash and position).
"""

from __future__ import annotations

import gzip
import re
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import file_digest, sha256
from io import BufferedReader, RawIOBase
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

import orjson
import zstandard

from vaka.config import BODY_MAX_BYTES
from vaka.errors import Invalid, NotFound, TooLarge, VakaError
from vaka.load.report import Place

DOCUMENT_MAX_BYTES: Final = 256 * 1024 * 1024
"""A JSON document, unpacked: a bundle of 100,000 entries is about 200 MB."""
_NAMESPACE: Final = uuid.UUID("5f4b1d0e-6d0a-5c56-9c35-6b1f0d5a7e11")
_SUFFIXES: Final = (".json", ".ndjson", ".jsonl")
_PACKED: Final = (".gz", ".zst")
_HEAD: Final = re.compile(
    rb'\s*+\{\s*+"resourceType"\s*+:\s*+"([A-Za-z]{1,64})"(?:\s*+,\s*+"id"\s*+:\s*+"([A-Za-z0-9\-.]{1,64})")?'
)
_HEAD_ID_FIRST: Final = re.compile(
    rb'\s*+\{\s*+"id"\s*+:\s*+"([A-Za-z0-9\-.]{1,64})"\s*+,\s*+"resourceType"\s*+:\s*+"([A-Za-z]{1,64})"'
)
_FIRST_TYPE: Final = re.compile(rb'"resourceType"\s*+:\s*+"([A-Za-z]{1,64})"')
_TELL_EVERY: Final = 256
_PACKED_BYTES: Final = 64 * 1024
_SNIFFED_BYTES: Final = 64 * 1024
_FIRST: Final = {"Organization": 0, "Location": 0, "Practitioner": 0, "PractitionerRole": 0, "Encounter": 1}


@dataclass(frozen=True, slots=True)
class Text:
    """One resource or bundle as it stands. ``type``/``id``: None where they could not be seen. ``made``: the resource
    has no id, ``id`` is the one made for it."""

    place: Place
    body: bytes
    type: str | None = None
    id: str | None = None
    made: bool = False


def made_id(digest: str, position: int) -> str:
    """The id of what has none: the same for the same content at the same position."""
    return str(uuid.uuid5(_NAMESPACE, f"{digest}:{position}"))


def files(paths: Sequence[str]) -> list[Path]:
    """The files of ``paths``, each once, folders searched whole; those that hold what others lean on come first.

    NotFound, Invalid for a path that is not there or holds nothing to be loaded."""
    found: dict[Path, None] = {}
    for given in paths:
        path = Path(given)
        if path.is_dir():
            inside = sorted(p for p in path.rglob("*") if p.is_file() and _loadable(p))
            if not inside:
                raise Invalid(f"{given} holds no {', '.join(_SUFFIXES)} file", help="name the files themselves")
            found |= dict.fromkeys(inside)
        elif path.exists():
            found[path] = None
        else:
            raise NotFound(f"there is no {given}")
    return sorted(found, key=_rank)


def _loadable(path: Path) -> bool:
    name = path.name
    for suffix in _PACKED:
        name = name.removesuffix(suffix)
    return name.endswith(_SUFFIXES) and not name.startswith(".")


def _rank(path: Path) -> int:
    try:
        with opened(path) as (file, _):
            head = _FIRST_TYPE.findall(file.peek(_SNIFFED_BYTES)[:_SNIFFED_BYTES])
    except (OSError, EOFError, zstandard.ZstdError, VakaError):
        return 2  # what is wrong with it is told when its turn comes
    types = [name.decode() for name in head if name != b"Bundle"]
    return _FIRST.get(types[0], 2) if types else 2


class opened:  # noqa: N801  used as a function
    """The unpacked file, and how many bytes of the packed one have been read: ``with opened(path) as (file, tell)``."""

    def __init__(self, path: Path) -> None:
        self._raw = path.open("rb")
        magic = self._raw.peek(4)[:4]
        if magic[:2] == b"\x1f\x8b":
            unpacked: BinaryIO = cast(BinaryIO, gzip.GzipFile(fileobj=self._raw))
        elif magic == b"\x28\xb5\x2f\xfd":
            unpacked = cast(BinaryIO, _Zstd(self._raw))
        else:
            self._file = self._raw
            return
        self._file = BufferedReader(cast(Any, unpacked), 1 << 18)

    def __enter__(self) -> tuple[BufferedReader, Callable[[], int]]:
        return self._file, self._raw.tell

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._raw.close()


class _Zstd(RawIOBase):
    """Reads zstd frames one after the other; unlike the library's reader it does not take a cut file for a whole one."""

    def __init__(self, packed: BinaryIO) -> None:
        self._packed = packed
        self._frame = self._next_frame()
        self._ready = memoryview(b"")
        self._input = b""

    @staticmethod
    def _next_frame() -> Any:
        return zstandard.ZstdDecompressor(max_window_size=1 << 27).decompressobj()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._ready:
            self._input = self._input or self._packed.read(_PACKED_BYTES)
            if not self._input:
                if self._frame is None:
                    return 0
                raise EOFError("its last zstd frame does not end")
            self._frame = self._frame or self._next_frame()
            self._ready = memoryview(self._frame.decompress(self._input))
            self._input = self._frame.unused_data if self._frame.eof else b""
            self._frame = None if self._frame.eof else self._frame
        count = min(len(self._ready), len(buffer))
        buffer[:count] = self._ready[:count]
        self._ready = self._ready[count:]
        return count


def texts(path: Path, read_bytes: Callable[[int], None] = lambda _: None) -> Iterator[Text]:
    """What ``path`` holds, in its order. ``read_bytes`` is told how far into the (packed) file the reading is.

    Invalid, TooLarge, OSError where it cannot be read on; what came before stands."""
    name = str(path)
    try:
        with opened(path) as (file, tell):
            first = _line(file, name, 1, DOCUMENT_MAX_BYTES)
            if first.startswith(b'{"format":"vaka-dump'):
                raise Invalid(f"{name} is a dump: docs/operating/loading.md has the line that makes resources of it")
            if _is_json(first) or path.name.removesuffix(".gz").removesuffix(".zst").endswith((".ndjson", ".jsonl")):
                yield from _lines(path, file, first, lambda: read_bytes(tell()))
            else:
                body = first + file.read(DOCUMENT_MAX_BYTES + 1 - len(first))
                if len(body) > DOCUMENT_MAX_BYTES:
                    raise _too_large(name)
                read_bytes(tell())
                if body.strip():
                    yield _seen(Place(name), body, lambda: sha256(body).hexdigest())
    except (EOFError, gzip.BadGzipFile, zstandard.ZstdError) as error:
        raise Invalid(f"{name} is damaged or cut short: {error}") from error


def _lines(path: Path, file: BufferedReader, first: bytes, tell: Callable[[], None]) -> Iterator[Text]:
    digest: str | None = None

    def whole() -> str:
        nonlocal digest
        if digest is None:
            with path.open("rb") as packed:
                digest = file_digest(packed, "sha256").hexdigest()
        return digest

    number, line = 1, first
    while line:
        if stripped := line.strip():
            yield _seen(Place(str(path), number), stripped, whole)
        if number % _TELL_EVERY == 0:
            tell()
        number += 1
        line = _line(file, str(path), number, DOCUMENT_MAX_BYTES)
    tell()


def _line(file: BufferedReader, name: str, number: int, limit: int) -> bytes:
    line = file.readline(limit + 1)
    if len(line) > limit:
        raise _too_large(f"{name}:{number}")
    return line


def _too_large(what: str) -> TooLarge:
    return TooLarge(f"{what} is over {DOCUMENT_MAX_BYTES >> 20} MB of JSON in one piece", help="write it as NDJSON")


def _is_json(line: bytes) -> bool:
    try:
        return isinstance(orjson.loads(line), dict)
    except orjson.JSONDecodeError:
        return False


def _seen(place: Place, body: bytes, digest: Callable[[], str]) -> Text:
    head = _HEAD.match(body)
    if head and (head[2] or head[1] == b"Bundle"):
        return Text(place, body, head[1].decode(), head[2].decode() if head[2] else None)
    if other := _HEAD_ID_FIRST.match(body):
        return Text(place, body, other[2].decode(), other[1].decode())
    if len(body) > BODY_MAX_BYTES and not head:
        return Text(place, body, "Bundle")  # a bundle, or refused later for its size
    try:
        resource = orjson.loads(body)
        type_, id_ = resource.get("resourceType"), resource.get("id")
    except (orjson.JSONDecodeError, AttributeError):
        return Text(place, body)
    text = Text(place, body, type_ if isinstance(type_, str) else None, id_ if isinstance(id_, str) else None)
    if id_ is None and type_ != "Bundle":
        return replace(text, id=made_id(digest(), place.line or 0), made=True)
    return text
