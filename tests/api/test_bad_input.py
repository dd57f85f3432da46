"""Bad input gets a clear error, and nothing is lost: 4xx with an OperationOutcome, never a 500, never a half-done write."""

from __future__ import annotations

import gzip
import json
import random
import time
from typing import Any
from urllib.parse import quote

import httpx
import pytest
import zstandard
from tests.client import SYSTEM, Api, fresh, outcome, patient

from vaka import config

JSON = {"Content-Type": "application/fhir+json"}
HOSTILE = ["'", '"', "';DROP TABLE resource;--", "\\", "\\\\", "%", "%%", "_", ".*", "(a+)+$", "[", "(", "{", "$", "$$", "|", "||", ",", ",,", "\\,", "a\\", "*", "?", "&", "#", "/", "//", "../..", "<script>", "{}", "${x}", "%s", "%(v0)s", "null", "true", "-", "--", "+", " ", "\t", "\n", "\r\n", "é", "😀", "\u202e", "\ufeff", "\x7f", "ﬀ", "İ", "ß", "a" * 2_000, "1e400", "-1e400", "NaN", "Infinity", "0x10", "1_000", "١٢", "9" * 400, "0001", "9999-12-31T23:59:59.999999999Z", "0000", "2024-02-30", "10000-01-01", "ge", "gegt2024", "ap", "Patient/", "/1", "Patient/1/_history/", "http://", "urn:", "urn:uuid:x", ":", "::", "=", ";"]  # fmt: skip


@pytest.mark.parametrize(
    "parameter",
    [
        5, "x", {}, [[]], [None], [{"name": {}}], [{"name": ["resource"], "resource": {}}], [{"name": "resource", "resource": []}],
        [{"name": "resource", "resource": {"resourceType": "Patient"}}, {"name": "mode", "valueCode": 7}],
        [{"name": "resource", "resource": {"resourceType": "Patient"}}, {"name": "mode", "valueCode": {"a": []}}],
    ],
)  # fmt: skip
def test_malformed_parameters_of_validate(api: Api, parameter: Any) -> None:
    """Would break: what is in Parameters is looked at before anybody has validated them."""
    for address in ("/Patient/$validate", "/$validate"):
        outcome(api.post(address, json={"resourceType": "Parameters", "parameter": parameter}), 400)


@pytest.mark.parametrize(
    "body",
    [
        b"", b" ", b"{", b"}", b"[]", b"null", b"1", b'"x"', b"{}", b'{"resourceType"}', b'{"resourceType":}', b"{'resourceType':'Patient'}",
        b'{"resourceType":"Patient",}', b'{"resourceType":"Patient"}{}', b'{"resourceType":"Patient"} x', b'{"resourceType":1}', b'{"resourceType":null}',
        b'{"resourceType":"Foo"}', b'{"resourceType":"Observation"}', b'{"resourceType":"Patient","id":7}', b'{"resourceType":"Patient","id":""}',
        b'{"resourceType":"Patient","meta":[]}', b'{"resourceType":"Patient","meta":"x"}', b'{"resourceType":"Patient","meta":{"versionId":1}}',
        b'{"resourceType":"Patient","active":"true"}', b'{"resourceType":"Patient","name":{}}', b'{"resourceType":"Patient","name":[[]]}',
        b'{"resourceType":"Patient","name":[null]}', b'{"resourceType":"Patient","name":[]}', b'{"resourceType":"Patient","gender":"femail"}',
        b'{"resourceType":"Patient","birthDate":"2024-02-30"}', b'{"resourceType":"Patient","birthDate":20240101}', b'{"resourceType":"Patient","foo":1}',
        b'{"resourceType":"Patient","active":true,"active":false}', b'{"resourceType":"Patient","name":[{"family":"a","family":"b"}]}',
        b'{"resourceType":"Patient","resourceType":"Patient"}', b'{"resourceType":"Patient","activ\\u0065":true,"active":false}',
        b'{"resourceType":"Patient","multipleBirthInteger":1e400}', b'{"resourceType":"Patient","multipleBirthInteger":NaN}', b'{"resourceType":"Patient","multipleBirthInteger":99999999999999999999}',
        b'{"resourceType":"Patient","multipleBirthInteger":1.5}', b'{"resourceType":"Patient","multipleBirthInteger":-Infinity}', b'{"resourceType":"Patient","multipleBirthInteger":01}',
        b'{"resourceType":"Patient","name":[{"family":"\\ud800"}]}', b'{"resourceType":"Patient","name":[{"family":"\\udc00\\ud800"}]}', b'{"resourceType":"Patient","name":[{"family":"a\\u0000b"}]}',
        b'{"resourceType":"Patient","name":[{"family":"a\x00b"}]}', b'{"resourceType":"Patient","name":[{"family":"\xff\xfe"}]}', b'{"resourceType":"Patient","name":[{"family":"\xed\xa0\x80"}]}',
        b'{"resourceType":"Patient","name":[{"family":" "}]}', b'{"resourceType":"Patient","name":[{"family":""}]}', b'{"resourceType":"Patient","name":[{}]}',
        b'{"resourceType":"Patient","contained":[{"resourceType":"Foo"}]}', b'{"resourceType":"Patient","contained":[1]}', b'{"resourceType":"Patient","contained":[{"id":"a"}]}',
        b'{"resourceType":"Patient","link":[{"other":{"reference":"Observation/1"},"type":"refer"}]}', b'{"resourceType":"Patient","generalPractitioner":[{"reference":"#x"}]}',
        b'{"resourceType":"Patient","extension":[{"url":"x","valueString":"a","valueCode":"b"}]}', b'{"resourceType":"Patient","extension":[{"valueString":"a"}]}',
        b'\xef\xbb\xbf{', "{\"resourceType\":\"Patient\"}".encode("utf-16"), gzip.compress(b'{"resourceType":"Patient"}', mtime=0),
    ],
)  # fmt: skip
def test_malformed_resources_are_refused(api: Api, tag: str, body: bytes) -> None:
    """Would break: what is no valid JSON, or no valid R4 resource, must not come in by any of the ways."""
    for answer in (
        api.post("/Patient", content=body, headers=JSON),
        api.put(f"/Patient/{tag}", content=body, headers=JSON),
        api.post("/Patient/$validate", content=body, headers=JSON),
        api.post(
            "",
            content=b'{"resourceType":"Bundle","type":"transaction","entry":[{"resource":%s,"request":{"method":"POST","url":"Patient"}}]}'
            % body,
            headers=JSON,
        ),
        api.patch(f"/Patient/{tag}", content=body, headers={"Content-Type": "application/json-patch+json"}),
    ):
        if answer.request.url.path.endswith("$validate") and answer.status_code == 200:
            assert any(issue["severity"] == "error" for issue in outcome(answer, 200))
            continue
        assert 400 <= answer.status_code < 500, (body[:80], answer.status_code, answer.text[:300])
        outcome(answer, answer.status_code)
    assert api.get(f"/Patient/{tag}").status_code == 404


@pytest.mark.parametrize("brackets", [("[", "]"), ('{"a":', "}"), ('{"extension":[', "]}")])
@pytest.mark.parametrize("depth", [65, 1_000, 1_000_000])
def test_depth_is_bounded(api: Api, brackets: tuple[str, str], depth: int) -> None:
    """Would break: recursion that exhausts the stack and takes the process down."""
    nested = brackets[0] * depth + "1" + brackets[1] * depth
    body = f'{{"resourceType":"Patient","extension":{nested}}}'.encode()
    outcome(api.post("/Patient", content=body, headers=JSON), 400)
    outcome(api.post("", content=body, headers=JSON), 400)
    outcome(api.post("/Patient", content=body[:-1], headers=JSON), 400)


@pytest.mark.parametrize("type_", ["Observation", "Questionnaire"])
def test_wide_resources_are_taken(api: Api, tag: str, type_: str) -> None:
    """Would break: many elements, long strings and long words, which indexes have limits for."""
    many = [
        {
            "code": {"text": "x" * 3_000, "coding": [{"system": "http://x", "code": f"{n}" * 500}]},
            "valueString": "å" * 3_000 + str(n),
        }
        for n in range(200)
    ]
    if type_ == "Observation":
        resource: dict[str, Any] = {"resourceType": type_, "status": "final", "code": {"text": "x"}, "component": many}
    else:
        resource = {
            "resourceType": type_,
            "status": "active",
            "title": "T" * 500_000,
            "description": " ".join(f"word{n}" for n in range(60_000)),
        }
    made = api.make(resource | {"identifier": [{"system": SYSTEM, "value": tag}]})
    assert api.ids(f"/{type_}?identifier={tag}") == [made["id"]]
    if type_ == "Questionnaire":
        assert api.ids(f"/{type_}?identifier={tag}&title={'t' * 256}") == [made["id"]]
        outcome(api.get(f"/{type_}?identifier={tag}&title={'t' * 257}"), 400)


def test_strings_over_the_limit_are_refused(api: Api) -> None:
    """Would break: a string of FHIR has 1 MB at most."""
    body = {"resourceType": "Patient", "name": [{"family": "x" * (config.STRING_MAX_CHARACTERS + 1)}]}
    assert outcome(api.post("/Patient", json=body), 422)[0]["expression"] == ["Patient.name[0].family"]


def test_a_body_over_the_limit_is_refused(api: Api) -> None:
    """Would break: a declared length over the limit, or one that only shows on unpacking, must cost no memory."""
    over = b" " * (config.BODY_MAX_BYTES + 1)
    try:
        outcome(api.post("/Patient", content=over, headers=JSON), 413)
    except httpx.TransportError:
        pass  # refused while it was still being sent
    for encoding, packed in (("gzip", gzip.compress(over)), ("zstd", zstandard.compress(over))):
        outcome(api.post("/Patient", content=packed, headers=JSON | {"Content-Encoding": encoding}), 413)
    bomb = gzip.compress(gzip.compress(b"\0" * (64 * 1024 * 1024), 9))
    answer = api.post("/Patient", content=bomb, headers=JSON | {"Content-Encoding": "gzip"})
    assert answer.status_code in (400, 413)
    answer = api.post(
        "/Patient", content=gzip.compress(b"\0" * (128 * 1024 * 1024), 9), headers=JSON | {"Content-Encoding": "gzip"}
    )
    outcome(answer, 413)
    assert api.get("/Patient?_count=1").status_code == 200


def test_packed_bodies(api: Api) -> None:
    """Would break: gzip and zstd are taken; what is cut short, or something else, is not."""
    body = json.dumps({"resourceType": "Patient"}).encode()
    for encoding, packed in (("gzip", gzip.compress(body)), ("zstd", zstandard.compress(body)), ("identity", body)):
        assert api.post("/Patient", content=packed, headers=JSON | {"Content-Encoding": encoding}).status_code == 201
        if encoding != "identity":
            outcome(api.post("/Patient", content=packed[:-6], headers=JSON | {"Content-Encoding": encoding}), 400)
            outcome(api.post("/Patient", content=body, headers=JSON | {"Content-Encoding": encoding}), 400)
    for encoding in ("br", "deflate", "gzip, gzip", "x"):
        outcome(api.post("/Patient", content=body, headers=JSON | {"Content-Encoding": encoding}), 415)


@pytest.mark.parametrize("parameter", ["family", "family:exact", "family:contains", "identifier", "gender:not", "birthdate", "_lastUpdated", "general-practitioner", "organization.name", "_has:Observation:patient:code", "_has:Observation:patient:value-quantity", "_id", "_tag", "_profile", "_profile:below", "_source:above", "_text", "_content", "_sort", "_include", "_revinclude", "_elements", "_summary", "_total", "_count", "_type", "_page", "_format", "_has", "_list", "_filter", "_query", "_contained", "identifier:of-type", "general-practitioner:identifier", "language:text", "foo", "active:missing"])  # fmt: skip
def test_hostile_values_of_every_parameter(api: Api, parameter: str) -> None:
    """Would break: a metacharacter of SQL, LIKE, regular expressions or JSON that reaches an engine as such."""
    for value in HOSTILE:
        answer = api.get(f"/Patient?{parameter}={quote(value, safe='')}&_count=2")
        assert answer.status_code in (200, 400, 404, 406, 413, 414), (
            parameter,
            value[:60],
            answer.status_code,
            answer.text[:200],
        )
        if answer.status_code != 200:
            outcome(answer, answer.status_code)


def test_hostile_names_of_parameters(api: Api) -> None:
    """Would break: the name of a parameter is as much input as its value."""
    for name in HOSTILE:
        for made in (
            name,
            f"family:{name}",
            f"organization.{name}",
            f"organization:{name}.name",
            f"_has:{name}:patient:code",
            f"_has:Observation:{name}:code",
            f"_has:Observation:patient:{name}",
        ):
            for strict in ("strict", "lenient"):
                answer = api.get(
                    f"/Patient?{quote(made, safe='')}=x&_count=2", headers={"Prefer": f"handling={strict}"}
                )
                assert answer.status_code in (200, 400, 413), (made[:60], answer.status_code, answer.text[:200])


def test_hostile_addresses(api: Api) -> None:
    """Would break: an address that is no address here: not found, not a fault."""
    for text in [*HOSTILE, "%ff", "%00", "%2e%2e", "a%00b", "%c3%28"]:
        part = text if text.startswith("%") and len(text) > 2 else quote(text, safe="")
        for address in (
            f"/{part}",
            f"/Patient/{part}",
            f"/Patient/{part}/_history",
            f"/Patient/1/_history/{part}",
            f"/Patient/1/{part}",
            f"/{part}/1/Observation",
            f"/Patient/{part}/$everything",
        ):
            answer = api.get(address)
            assert answer.status_code < 500, (address, answer.text[:200])
            assert answer.status_code in (200, 400, 404, 405), (address, answer.status_code)
    for method in ("OPTIONS", "TRACE", "FOO"):
        answer = api.request(method, "/Patient")
        assert 400 <= answer.status_code < 502, method
        assert answer.status_code != 500
    for address in ("/Patient", "/_search", "/metadata", "/Patient/1/_history", "/_history"):
        answer = api.request("DELETE", address)
        assert answer.status_code in (400, 404, 405), address


def test_limits_of_a_search(api: Api) -> None:
    """Would break: thousands of values are one search; beyond the named limits it is refused, and quickly."""
    many = ",".join(f"v{n}" for n in range(config.QUERY_MAX_VALUES))
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    for name in ("identifier", "_id", "family", "general-practitioner", "birthdate"):
        values = (
            ",".join(f"{1900 + n % 100}-01-01" for n in range(config.QUERY_MAX_VALUES)) if name == "birthdate" else many
        )
        began = time.monotonic()
        answer = api.post("/Patient/_search", content=f"{name}={values}", headers=form)
        assert answer.status_code == 200, (name, answer.status_code, answer.text[:300])
        assert time.monotonic() - began < config.SEARCH_TIMEOUT_S + 5
        assert api.post("/Patient/_search", content=f"{name}={values},x2", headers=form).status_code in (400, 413)
    assert (
        api.post(
            "/Patient/_search",
            content="&".join("active=true" for _ in range(config.QUERY_MAX_PARAMETERS)),
            headers=form,
        ).status_code
        == 200
    )
    for name, content in (
        ("parameters", "&".join("active=true" for _ in range(config.QUERY_MAX_PARAMETERS + 1))),
        ("bytes", "family=" + "x" * config.QUERY_MAX_BYTES),
        ("chain", "organization.partof.partof.partof.partof.partof.partof.name=x"),
        ("has", "_has:Observation:patient:" * 7 + "code=x"),
        ("depth", "organization." + "partof." * 5_000 + "name=x"),
    ):
        answer = api.post("/Patient/_search", content=content, headers=form)
        assert answer.status_code in (400, 413), (name, answer.status_code)
        outcome(answer, answer.status_code)


@pytest.mark.parametrize(("header", "value", "status"), [("Accept", "application/xml", 406), ("Accept", "text/html", 406), ("Accept", "application/fhir+json;fhirVersion=3.0", 406), ("Accept", "application/json;q=0", 406), ("Accept", "*/*", 200), ("Accept", "application/fhir+json; fhirVersion=4.0", 200), ("Accept", "text/html, application/*;q=0.1", 200), ("Prefer", "handling=strict; return=foo,,;", 200), ("Prefer", "x" * 3_000, 200), ("If-None-Match", "x" * 100, 200), ("Range", "bytes=0-1", 200)])  # fmt: skip
def test_headers_of_a_request(api: Api, header: str, value: str, status: int) -> None:
    """Would break: what kind of answer is taken; headers that are odd."""
    made = api.make({"resourceType": "Patient"})
    answer = api.get(f"/Patient/{made['id']}", headers={header: value})
    assert answer.status_code == (status if header != "If-None-Match" else answer.status_code)
    assert answer.status_code < 500


def test_what_formats_are_taken(api: Api) -> None:
    """Would break: _format is before Accept; a body of another kind is refused, not guessed at."""
    for wanted in ("json", "application/json", "application/fhir+json", "application/fhir json"):
        assert (
            api.get("/Patient", params={"_format": wanted, "_count": "1"}, headers={"Accept": "text/html"}).status_code
            == 200
        )
    for wanted in ("xml", "html", "ttl", "x", ""):
        outcome(api.get("/Patient", params={"_format": wanted, "_count": "1"}), 406)
    for media in (
        "application/fhir+xml",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        ";",
        "x",
    ):
        outcome(api.post("/Patient", content=b'{"resourceType":"Patient"}', headers={"Content-Type": media}), 415)
        outcome(api.post("", content=b"{}", headers={"Content-Type": media}), 415)
    outcome(api.post("/Patient/_search", content=b"{}", headers=JSON), 415)
    outcome(
        api.post(
            "/Patient/_search", content="name=å".encode(), headers={"Content-Type": "application/x-www-form-urlencoded"}
        ),
        400,
    )


def test_random_bytes_in_good_requests(api: Api, tag: str) -> None:
    """Would break: a mutation of a valid bundle that gets a 500 (seeded; the fuzzers of tests/fuzz go deeper)."""
    chosen = random.Random(2)
    entry = {"fullUrl": "urn:uuid:7a1f6a60-0000-4000-8000-000000000001", "resource": patient(tag, name=[{"family": "Å", "given": ["B"]}], link=[{"other": {"reference": "urn:uuid:7a1f6a60-0000-4000-8000-000000000001"}, "type": "refer"}]), "request": {"method": "POST", "url": "Patient", "ifNoneExist": "identifier=x"}}  # fmt: skip
    good = json.dumps({"resourceType": "Bundle", "type": "batch", "entry": [entry]}, ensure_ascii=False).encode()
    for _ in range(400):
        body = bytearray(good)
        for _ in range(chosen.randrange(1, 4)):
            place = chosen.randrange(len(body))
            match chosen.randrange(4):
                case 0:
                    body[place] = chosen.randrange(256)
                case 1:
                    del body[place : place + chosen.randrange(1, 30)]
                case 2:
                    body[place:place] = chosen.choice(
                        [b'"', b"{", b"[", b"]", b"}", b",", b":", b"null", b"\\u0000", b"\\", b"1e999"]
                    )
                case _:
                    other = chosen.randrange(len(body))
                    body[place:place] = body[other : other + 40]
        answer = api.post("", content=bytes(body), headers=JSON)
        assert answer.status_code in (200, 400, 413, 422), (answer.status_code, bytes(body))
        for one in answer.json().get("entry", []):
            assert not one["response"]["status"].startswith("5"), (one, bytes(body))
    assert fresh()


def test_the_widest_includes_are_bounded(api: Api) -> None:
    """Would break: includes of everything by everything must neither take the server's time nor its memory."""
    for asked in (
        "Patient?_revinclude=*",
        "Patient?_include:iterate=*&_revinclude:iterate=*",
        "?_revinclude=*&_include=*",
    ):
        began = time.monotonic()
        answer = api.get(f"/{asked.lstrip('/')}&_count={config.PAGE_MAX_COUNT}")
        assert answer.status_code == 200, (asked, answer.text[:300])
        assert len(answer.json().get("entry", [])) <= config.PAGE_MAX_COUNT + config.INCLUDE_MAX_RESOURCES
        assert time.monotonic() - began < config.SEARCH_TIMEOUT_S, asked
