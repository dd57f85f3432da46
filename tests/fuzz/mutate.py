"""Requests that nobody should send, made from ones that somebody could: a pure function of a seed.

Real resources (the official examples) are changed in structure and in bytes; queries are put together from every search
parameter, modifier and prefix with values that hurt; headers likewise.
"""

from __future__ import annotations

import io
import json
import random
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import orjson
import zstandard

from vaka.fhir.definitions import COMPARTMENTS, RESOURCE_TYPES, parameters

EXAMPLES: Final = Path(__file__).parents[1] / "unit" / "fhir" / "examples.ndjson.zst"
JSON: Final = "application/fhir+json"

TEXTS: Final = (
    "", " ", "x", "Åsa Öberg", "a" * 5000, "'", "''; DROP TABLE version; --", '"', "\\", "\\u0000", "%", "_", "(.*)+$", "[", "*",
    "${x}", "{{x}}", "<script>", "\u202e", "\ufeff", "🏥", "e\u0301", "é", "\u0085", "\t", "a,b", "a|b", "|", "||", "$", "a$b",
    "\\,", "\\|", "-", "+", "NaN", "null", "true", "0", "-1", "1e400", "1e-400", "9" * 400, "0.1e1", "2020-13-01", "2020-02-30",
    "0000-01-01", "9999-12-31T23:59:60Z", "2020-01-01T00:00:00+14:00", "24:00", "ge2020", "eq", "ap1", "Patient/x",
    "http://example.org/fhir/Patient/1", "Patient/x/_history/1", "urn:uuid:x", "#a", "../../etc/passwd", "5.4|http://u|mg",
    "5.4||mg", "gt", "sa2020-01", "http://loinc.org|8480-6", "8480-6$gt5", "a$b$c", "true$false",
)  # fmt: skip
VALUES: Final[tuple[Any, ...]] = (
    None, True, False, 0, -1, 1.5, 2**31, 2**63, -(2**63), 1e308, [], {}, [[]], [None], {"": ""}, {"value": None},
    {"reference": "#"}, {"reference": "Patient/"}, {"extension": []}, {"resourceType": "Patient"}, {"coding": {}},
    {"resourceType": "Nothing"}, [{}], {"id": "x"},
)  # fmt: skip
MODIFIERS: Final = (
    ":missing", ":not", ":exact", ":contains", ":text", ":of-type", ":identifier", ":in", ":not-in", ":above", ":below", ":Patient",
    ":iterate", ":", ":x", ".name", ":Patient.name", ".subject.name", ":Observation.subject.name", ".a.b.c.d.e.f.g",
)  # fmt: skip
CONTROLS: Final = (
    "_id", "_lastUpdated", "_tag", "_profile", "_security", "_source", "_text", "_content", "_list", "_has", "_type", "_sort",
    "_count", "_include", "_revinclude", "_summary", "_total", "_elements", "_contained", "_containedType", "_format", "_pretty",
    "_page", "_since", "_at", "_query", "_filter", "_score", "_cursor", "", "_", "x",
)  # fmt: skip
KNOWN: Final = (
    "Patient:general-practitioner", "Observation:*", "*", "Observation:subject:Patient", "Observation:code:x:y", "-date", "name,-birthdate",
    "true", "false", "text", "data", "count", "accurate", "none", "Observation:subject:code", "Observation:patient:_has:Provenance:target:x",
)  # fmt: skip
HEADERS: Final = (
    "If-Match", "If-None-Match", "If-None-Exist", "If-Modified-Since", "Prefer", "Idempotency-Key", "Accept", "Content-Type",
    "Content-Encoding", "Accept-Encoding", "Range", "X-Forwarded-For", "X-Security-Context",
)  # fmt: skip
HEADER_VALUES: Final = (
    'W/"1"', '"1"', "1", "*", 'W/"x"', 'W/"1-e2"', 'W/"999999999999"', "identifier=a|b", "?", "name=x&name=y", "_id=x", "a",
    "return=minimal", "return=representation", "return=OperationOutcome", "handling=strict", "handling=lenient", "respond-async",
    "Mon, 23 Nov 2026 19:00:00 GMT", "Mon, 99 Nov 2026 19:00:00 GMT", "application/json", "application/xml", "text/html", "*/*",
    "application/json-patch+json", "application/fhir+json; fhirVersion=3.0", "gzip", "zstd", "br", "identity;q=0", "bytes=0-1",
    "bytes=5-", "bytes=-1,0-0", "application/octet-stream", "k" * 300,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Asked:
    """A request below the server's root. ``path`` is encoded already."""

    method: str
    path: str
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.method} {self.path[:500]} {self.headers} {self.body[:2000]!r} ({len(self.body)} bytes)"


@lru_cache(maxsize=1)
def examples() -> tuple[bytes, ...]:
    with EXAMPLES.open("rb") as file, zstandard.ZstdDecompressor().stream_reader(file) as reader:
        return tuple(line for line in io.BufferedReader(reader) if len(line) < 200_000)


def request(chance: random.Random) -> Asked:
    """One request."""
    makers: tuple[Callable[[random.Random], Asked], ...] = (
        _written, _written, _searched, _searched, _searched, _bundled, _patched, _addressed,
    )  # fmt: skip
    asked = chance.choice(makers)(chance)
    if chance.random() < 0.3:
        headers = {chance.choice(HEADERS): chance.choice(HEADER_VALUES) for _ in range(chance.randint(1, 3))}
        return Asked(asked.method, asked.path, asked.body, {**asked.headers, **headers})
    return asked


def resource(chance: random.Random) -> Any:
    found = orjson.loads(chance.choice(examples()))
    for _ in range(chance.choice((0, 1, 1, 1, 2, 5))):
        found = structurally(found, chance)
    return found


def structurally(value: Any, chance: random.Random) -> Any:
    """One change somewhere inside: a value replaced, removed, doubled, moved, wrapped, deepened, renamed."""
    places = list(_places(value))
    holder, key = chance.choice(places) if places else (None, None)
    if holder is None:
        return deepcopy(chance.choice(VALUES))
    match chance.randrange(9):
        case 0:
            holder[key] = deepcopy(chance.choice(VALUES))
        case 1:
            holder[key] = chance.choice(TEXTS)
        case 2:
            del holder[key]
        case 3:
            holder[key] = [holder[key], holder[key]]
        case 4:
            deep: Any = holder[key]
            for _ in range(chance.choice((1, 5, 30, 70))):
                deep = {"extension": [deep]}
            holder[key] = deep
        case 5:
            other, name = chance.choice(places)
            holder[key] = deepcopy(other[name]) if name in _keys(other) else None
        case 6 if isinstance(holder, dict):
            holder[chance.choice((*TEXTS, f"_{key}", "resourceType", "id", "meta", "contained"))] = holder[key]
        case 7 if isinstance(holder[key], str):
            text = holder[key]
            at = chance.randint(0, len(text))
            holder[key] = text[:at] + chance.choice(TEXTS) + text[at:]
        case _:
            holder[key] = chance.choice((0, -1, 10**20, 1.0000000000000000001, "\ud7ff", chance.random()))
    return value


def _places(value: Any) -> list[tuple[Any, Any]]:
    found: list[tuple[Any, Any]] = []
    todo = [value]
    while todo:
        one = todo.pop()
        for key in _keys(one):
            found.append((one, key))
            todo.append(one[key])
    return found


def _keys(value: Any) -> list[Any]:
    return list(value) if isinstance(value, dict) else list(range(len(value))) if isinstance(value, list) else []


def _encoded(value: Any, chance: random.Random) -> bytes:
    """Its JSON, one time in three with bytes changed."""
    body = json.dumps(value, ensure_ascii=chance.random() < 0.5).encode(errors="surrogatepass")
    if chance.random() < 0.35:
        changed = bytearray(body)
        for _ in range(chance.choice((1, 1, 3, 20))):
            at = chance.randrange(len(changed) + 1)
            match chance.randrange(5):
                case 0:
                    changed[at : at + chance.choice((1, 10))] = b""
                case 1:
                    changed[at:at] = bytes([chance.randrange(256)])
                case 2:
                    changed[at:at] = chance.choice(
                        (
                            b"\\ud800",
                            b"\\u0000",
                            b"\0",
                            b"\xff\xfe",
                            b'"',
                            b"{",
                            b"[" * 2000,
                            b"1e999",
                            b"-",
                            b'"id":"x",',
                            b"\xef\xbb\xbf",
                        )
                    )
                case 3:
                    changed[at:] = b""
                case 4:
                    changed += changed[at : at + 50]
        body = bytes(changed)
    return body


def _type(chance: random.Random) -> str:
    return (
        chance.choice(("Patient", "Observation", "Encounter"))
        if chance.random() < 0.4
        else chance.choice(RESOURCE_TYPES)
    )


def _id(chance: random.Random) -> str:
    return chance.choice(("fuzz-1", "fuzz-2", "fuzz-3", "x" * 65, "_x", "$x", "a b", "ä", "%00", "..", ".", "-", "1"))


def _written(chance: random.Random) -> Asked:
    made = resource(chance)
    type_ = made.get("resourceType") if isinstance(made, dict) else None
    type_ = type_ if isinstance(type_, str) and chance.random() < 0.9 else _type(chance)
    if chance.random() < 0.4:
        id_ = chance.choice(("fuzz-1", "fuzz-2", "fuzz-3"))
        if isinstance(made, dict) and chance.random() < 0.9:
            made["id"] = id_
        return Asked("PUT", f"/fhir/{quote(type_)}/{id_}", _encoded(made, chance), {"Content-Type": JSON})
    path = chance.choice(
        (f"/fhir/{quote(type_)}", f"/fhir/{quote(type_)}", f"/fhir/{quote(type_)}/$validate", "/fhir/$validate")
    )
    if path.endswith("$validate") and chance.random() < 0.4:
        made = _parameters(made, chance)
    return Asked("POST", path, _encoded(made, chance), {"Content-Type": JSON})


def _parameters(made: Any, chance: random.Random) -> Any:
    """What an operation is given ``made`` in, changed or not."""
    wrapped = {
        "resourceType": "Parameters",
        "parameter": [{"name": "resource"}, {"name": "mode", "valueCode": "update"}],
    }
    wrapped = structurally(wrapped, chance) if chance.random() < 0.8 else wrapped
    parameters_ = wrapped.get("parameter") if isinstance(wrapped, dict) else None
    for part in parameters_ if isinstance(parameters_, list) else ():
        if isinstance(part, dict):
            part.setdefault("resource", made)
    return wrapped


def _query(chance: random.Random, type_: str) -> str:
    names = [p.code for p in parameters(type_).values()]
    pairs = []
    for _ in range(chance.choice((1, 1, 2, 3, 8))):
        name = chance.choice(names) if chance.random() < 0.7 else chance.choice(CONTROLS)
        if chance.random() < 0.4:
            name += chance.choice(MODIFIERS)
        if chance.random() < 0.05:
            name = f"_has:{_type(chance)}:{chance.choice(('patient', 'subject', 'x', ''))}:{chance.choice(names)}"
        value = chance.choice(KNOWN if name.startswith("_") and chance.random() < 0.6 else TEXTS)
        if chance.random() < 0.2:
            value = chance.choice(("eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap", "xx")) + value
        if chance.random() < 0.1:
            value = ",".join([value] * chance.choice((2, 50, 3000 if len(value) < 20 else 2)))
        pairs.append(f"{quote(name, safe=':.')}={quote(value)}")
    text = "&".join(pairs)
    if chance.random() < 0.05:
        text += chance.choice(("&&", "&=", "%", "%zz", "%ff", "&a", "%00", "=", "&" * 300, "%ed%a0%80"))
    return text


def _searched(chance: random.Random) -> Asked:
    type_ = _type(chance)
    base = chance.choice(
        (f"/fhir/{type_}", f"/fhir/{type_}", f"/fhir/{type_}", "/fhir", f"/fhir/{type_}/_history", "/fhir/_history",
         f"/fhir/{chance.choice(COMPARTMENTS)}/fuzz-1/{type_}", f"/fhir/{type_}/fuzz-1", "/fhir/Patient/fuzz-1/$everything")
    )  # fmt: skip
    query = _query(chance, type_)
    if chance.random() < 0.2:
        return Asked(
            "POST", f"/fhir/{type_}/_search", query.encode(), {"Content-Type": "application/x-www-form-urlencoded"}
        )
    return Asked(chance.choice(("GET", "GET", "GET", "HEAD", "DELETE")), f"{base}?{query}")


def _bundled(chance: random.Random) -> Asked:
    entries: list[Any] = []
    for number in range(chance.choice((0, 1, 2, 5, 30))):
        made = resource(chance)
        type_ = made.get("resourceType", "Patient") if isinstance(made, dict) else "Patient"
        url = chance.choice(
            (
                f"{type_}",
                f"{type_}/fuzz-{number % 4}",
                f"{type_}?{_query(chance, 'Patient')}",
                "",
                "/",
                "metadata",
                chance.choice(TEXTS),
            )
        )
        entry = {
            "fullUrl": chance.choice(
                (f"urn:uuid:{number}", "urn:uuid:same", "http://x/Patient/1", "", "urn:uuid:0", None)
            ),
            "resource": made,
            "request": {
                "method": chance.choice(("POST", "PUT", "PUT", "DELETE", "GET", "PATCH", "HEAD", "X", None)),
                "url": url,
            },
        }
        if chance.random() < 0.3 and isinstance(made, dict):
            made["subject"] = {
                "reference": chance.choice(
                    ("urn:uuid:0", "urn:uuid:same", "urn:uuid:none", "Patient?name=x", "Patient?identifier=a|b", "#x")
                )
            }
        if chance.random() < 0.2:
            entry["request"][chance.choice(("ifMatch", "ifNoneMatch", "ifNoneExist", "ifModifiedSince"))] = (
                chance.choice(HEADER_VALUES)
            )
        entries.append(entry)
    bundle: Any = {
        "resourceType": "Bundle",
        "type": chance.choice(("transaction", "transaction", "batch", "batch", "collection", "x")),
        "entry": entries,
    }
    if chance.random() < 0.3:
        bundle = structurally(bundle, chance)
    return Asked("POST", "/fhir", _encoded(bundle, chance), {"Content-Type": JSON})


def _patched(chance: random.Random) -> Asked:
    paths = (
        "/active",
        "/name/0/family",
        "/name/-",
        "/id",
        "/resourceType",
        "",
        "/",
        "/meta",
        "/~1",
        "/~",
        "/name/01",
        "/x/y/z",
        "/birthDate",
        "/-1",
    )
    patch: Any = [
        {
            "op": chance.choice(("add", "replace", "remove", "test", "move", "copy", "x", None)),
            "path": chance.choice(paths),
            "from": chance.choice(paths),
            "value": deepcopy(chance.choice((*VALUES, *TEXTS))),
        }
        for _ in range(chance.choice((0, 1, 2, 3, 50)))
    ]
    if chance.random() < 0.2:
        patch = structurally(patch, chance)
    target = chance.choice(
        ("/fhir/Patient/fuzz-1", "/fhir/Patient/fuzz-2", "/fhir/Patient/none", "/fhir/Patient?identifier=x")
    )
    return Asked("PATCH", target, _encoded(patch, chance), {"Content-Type": "application/json-patch+json"})


def _addressed(chance: random.Random) -> Asked:
    pieces = (
        "fhir",
        "Patient",
        "fuzz-1",
        "_history",
        "1",
        "_search",
        "$everything",
        "$validate",
        "$x",
        "metadata",
        "Binary",
        "feed",
        "",
        "..",
        "%2e%2e",
        "%2f",
        "%00",
        "%ff",
        "health",
        "9" * 30,
        "Nothing",
    )
    path = "/" + "/".join(chance.choice(pieces) for _ in range(chance.randint(0, 6)))
    if chance.random() < 0.6:
        path = (
            "/fhir/Patient/"
            + _quoted(_id(chance))
            + chance.choice(
                ("", "/_history", "/_history/1", "/_history/0", "/_history/1-e9", "/_history/x", "/$everything")
            )
        )
    if chance.random() < 0.2:
        path = f"/feed?{chance.choice(('after', 'wait', 'hash', 'x'))}={quote(chance.choice(TEXTS))}"
    method = chance.choice(("GET", "GET", "PUT", "POST", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "FOO"))
    return Asked(method, path, chance.choice((b"", b"{}", b"[]", b"null", b'"x"')), {"Content-Type": JSON})


def _quoted(text: str) -> str:
    return text if "%" in text else quote(text)
