"""Extraction against FHIRPath: 220 official R4 examples, each search parameter evaluated by ``fhirpathpy``.

The oracle reads the expression itself (not ``vaka.fhir.paths``) and the keys are made here by the plainest means.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import fhirpathpy
import orjson
import pytest
import zstandard
from fhirpathpy.models import models

from vaka.fhir import dates, definitions
from vaka.fhir.definitions import Parameter
from vaka.fhir.extract import extract, references
from vaka.fhir.keys import key, reference_key, url_reference_key
from vaka.fhir.text import fold, words

EXAMPLES: list[dict[str, Any]] = [
    orjson.loads(line)
    for line in zstandard.decompress((Path(__file__).parent / "examples.ndjson.zst").read_bytes()).splitlines()
]
TYPES = sorted({e["resourceType"] for e in EXAMPLES})
NAME_PARTS = ("family", "given", "prefix", "suffix", "line", "city", "district", "state", "postalCode", "country")


@cache
def oracle(expression: str) -> Callable[[Mapping[str, Any], None], list[Any]]:
    """``as`` is a filter in search (https://hl7.org/fhir/R4/fhirpath.html), what strict FHIRPath calls ``ofType``; and
    without a server, ``resolve()`` is told by the reference."""
    expression = re.sub(r"\(([\w.]+) as uri\)", r"(\1.ofType(uri) | \1.ofType(canonical))", expression)
    expression = re.sub(r"\(([\w.]+) as (\w+)\)", r"\1.ofType(\2)", expression).replace(".as(", ".ofType(")
    expression = re.sub(r"resolve\(\) is (\w+)", r"(reference.startsWith('\1/') or type = '\1')", expression)
    return fhirpathpy.compile(expression, models["r4"])


def values(parameter: Parameter, resource: dict[str, Any]) -> list[Any]:
    found = oracle(parameter.expression)(resource, None)
    if parameter.name.startswith("Bundle."):
        return [v for v in found if not isinstance(v, dict) or v.get("resourceType") in (None, *parameter.targets)]
    return found


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def token_keys(p: Parameter, value: Any) -> Iterator[int]:
    if not isinstance(value, dict):
        text = str(value).lower() if isinstance(value, bool) else str(value)
        yield key(p.name, "c", text)
        if p.systems is None:
            yield key(p.name, "sc", "", text)
        return
    codings = value.get("coding", [value])
    types = value.get("type")
    for coding in codings:
        code = coding.get("code") or coding.get("value")
        if code:
            yield key(p.name, "c", code)
            if p.systems is None:
                yield key(p.name, "sc", coding.get("system", ""), code)
        if coding.get("system") and p.systems is None:
            yield key(p.name, "s", coding["system"])
        yield from (key(p.name, "word", w) for w in words(coding.get("display", "")))
    yield from (key(p.name, "word", w) for w in words(value.get("text", "")))
    if isinstance(types, dict):
        yield from (key(p.name, "word", w) for w in words(types.get("text", "")))
        for coding in types.get("coding", []) if "value" in value else []:
            yield key(p.name, "type", coding.get("system", ""), coding["code"], value["value"])


def reference_keys(p: Parameter, value: Any) -> Iterator[int]:
    if isinstance(value, dict) and "resourceType" in value:
        yield reference_key(p.name, value["resourceType"], value["id"])
        return
    text = value.get("reference", "") if isinstance(value, dict) else value
    if isinstance(value, dict):
        yield from (key(p.name, "word", w) for w in words(value.get("display", "")))
        if "identifier" in value and "value" in value["identifier"]:
            yield key(p.name, "id", value["identifier"].get("system", ""), value["identifier"]["value"])
            yield key(p.name, "idv", value["identifier"]["value"])
    parts = text.split("/")
    if parts[0] in definitions.RESOURCE_TYPES:
        yield reference_key(p.name, parts[0], parts[1])
    elif re.match(r"\w+:", text):
        yield from {url_reference_key(p.name, text), url_reference_key(p.name, text.split("|")[0])}


def string_values(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [text for part in ("text", *NAME_PARTS) for text in as_list(value.get(part)) if text]


def expected(p: Parameter, value: Any) -> Iterator[int]:
    """All keys of one value of a parameter that stores its own."""
    match p.kind:
        case "token":
            yield from token_keys(p, value)
        case "reference":
            yield from reference_keys(p, value)
        case "string":
            yield from (key(p.name, "exact", text) for text in string_values(value))
        case "uri":
            yield from {key(p.name, "uri", value), key(p.name, "uri", value.split("|")[0])}
            if p.code == "_source" and "#" in value:
                yield key(p.name, "uri", value.split("#")[0])


def simple(type_: str) -> Iterator[Parameter]:
    """The parameters of a type that have an expression of their own to evaluate."""
    for p in definitions.parameters(type_).values():
        if p.expression and p.supported and p.kind != "composite" and p.code not in {"_id", "_lastUpdated"}:
            yield p


@pytest.mark.parametrize("type_", TYPES)
def test_tokens(type_: str) -> None:
    """A key that is missing hides a resource from a search; a key too many shows it in a wrong one."""
    for resource in (e for e in EXAMPLES if e["resourceType"] == type_):
        wanted: dict[int, str] = {}
        for p in simple(type_):
            found = values(p, resource)
            if found:
                wanted[key(p.name, "present")] = f"{p.name} present"
            if p.stored_as == ((p.name, None),):
                wanted.update((k, f"{p.name} {value}") for value in found for k in expected(p, value))
        made = set(extract(resource).tokens)
        assert not [what for k, what in wanted.items() if k not in made], resource["id"]
        allowed = set(wanted) | set(composite_keys(type_, resource)) | set(below_keys(type_, resource))
        assert not made - allowed, (resource["id"], surplus(type_, made - allowed))


def composite_keys(type_: str, resource: dict[str, Any]) -> Iterator[int]:
    """Presence of composites, and their pairs made of every two codes anywhere in the same repetition."""
    for p in definitions.parameters(type_).values():
        if p.kind != "composite" or not p.supported:
            continue
        yield key(p.name, "present")
        first, second = definitions.component_expressions(type_, p.code)
        for element in oracle(p.expression)(resource, None):
            names = [re.split(r"\W", first)[0], re.split(r"\W", second)[0]]
            parts = [[x for n in element if n.startswith(name) for x in pair_parts(element[n])] for name in names]
            yield from (key(p.name, "pair", a, b) for a in parts[0] for b in parts[1])


def pair_parts(value: Any) -> Iterator[str]:
    if isinstance(value, dict) and "reference" in value:
        yield from ("c:" + value["reference"], "c:" + value["reference"].split("/")[-1])
    elif isinstance(value, dict):
        for coding in value.get("coding", [value]):
            yield "c:" + coding.get("code", "")
            yield f"sc:{coding.get('system', '')}|{coding.get('code', '')}"
    else:
        text = str(value).lower() if isinstance(value, bool) else str(value)
        yield from (f"c:{text}", f"sc:|{text}", f"sc:http://hl7.org/fhir/document-relationship-type|{text}")


def below_keys(type_: str, resource: dict[str, Any]) -> Iterator[int]:
    p = definitions.parameter(type_, "url")
    for text in values(p, resource) if p else []:
        parts = text.split("/")
        yield from (key(f"{type_}.url", "below", "/".join(parts[:n])) for n in range(len(parts) + 1))


def surplus(type_: str, keys: set[int]) -> list[str]:
    """The parameters whose ``present`` is among keys that nobody expected."""
    return [p.name for p in definitions.parameters(type_).values() if key(p.name, "present") in keys]


@pytest.mark.parametrize("type_", TYPES)
def test_dates(type_: str) -> None:
    """A resource would be found at the wrong time."""
    for resource in (e for e in EXAMPLES if e["resourceType"] == type_):
        wanted = set()
        for p in simple(type_):
            if p.kind == "date" and p.stored_as == ((p.name, None),):
                for value in values(p, resource):
                    ends = [value, value] if isinstance(value, str) else [value.get("start"), value.get("end")]
                    if isinstance(value, dict) and not {"start", "end"} & set(value):
                        continue  # a Timing, or an Age: hand-checked in test_extract
                    spans = [dates.parse(str(end)) if end else None for end in ends]
                    if any(spans):
                        low = spans[0][0] if spans[0] else -(2**62)
                        wanted.add((p.number, low, spans[1][1] if spans[1] else 2**62))
        made = {row[:3] for row in extract(resource).dates}
        timings = {row for row in made if row not in wanted}
        assert wanted <= made, resource["id"]
        assert not timings or "Timing" in orjson.dumps(resource).decode(), resource["id"]


@pytest.mark.parametrize("type_", TYPES)
def test_strings_and_numbers(type_: str) -> None:
    """A name or a value would not be found, or not in its place when sorted."""
    for resource in (e for e in EXAMPLES if e["resourceType"] == type_):
        strings, numbers = set(), set()
        for p in simple(type_):
            if p.stored_as != ((p.name, None),):
                continue
            for value in values(p, resource):
                if p.kind == "string":
                    strings |= {(p.number, fold(text)[:256].rstrip()) for text in string_values(value) if fold(text)}
                elif p.kind in {"quantity", "number"}:
                    written = value["value"] if isinstance(value, dict) and "value" in value else value
                    if isinstance(written, dict):
                        ends = [float(written[end]["value"]) for end in ("low", "high") if end in written]
                        numbers |= {(p.number, end) for end in ends}
                    else:
                        numbers.add((p.number, float(written)))
        rows = extract(resource)
        assert {(r.param, r.value.rstrip()) for r in rows.strings} == strings, resource["id"]
        made = {(r.param, end) for r in rows.quantities if r.unit == 0 for end in (r.low, r.high)}
        made = {(param, end) for param, end in made if abs(end) < 1e299}
        assert numbers <= made, resource["id"]


@pytest.mark.parametrize("type_", TYPES)
def test_references(type_: str) -> None:
    """_include would leave out what a resource refers to, or include what it does not."""
    for resource in (e for e in EXAMPLES if e["resourceType"] == type_):
        wanted = set()
        for p in simple(type_):
            for value in values(p, resource) if p.kind == "reference" else []:
                text = value.get("reference", "") if isinstance(value, dict) else value
                parts = text.split("/")
                if parts[0] in definitions.RESOURCE_TYPES and len(parts) > 1:
                    wanted.add((p.name, parts[0], parts[1]))
        assert set(references(resource)) == wanted, resource["id"]
