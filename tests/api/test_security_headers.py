"""Headers that every answer has, or must not have, whatever it answers."""

from __future__ import annotations

import httpx
import pytest
from tests.client import Api

ADDRESSES = (
    ("GET", "/fhir/metadata"), ("GET", "/fhir/Patient"), ("GET", "/fhir/Patient/none"), ("GET", "/fhir/Nothing"),
    ("GET", "/fhir/Patient?_count=x"), ("POST", "/fhir/Patient"), ("GET", "/health"), ("GET", "/ready"), ("GET", "/nowhere"),
)  # fmt: skip


@pytest.fixture(params=[(method, address, known) for method, address in ADDRESSES for known in (True, False)])
def answer(api: Api, request: pytest.FixtureRequest) -> httpx.Response:
    """What a known or an unknown caller of another origin is answered."""
    method, address, known = request.param
    headers = {"Origin": "https://elsewhere.example"} | (
        {"Authorization": api.headers["Authorization"]} if known else {}
    )
    return httpx.request(method, api.root + address, headers=headers, timeout=60)


def test_no_answer_may_be_kept_by_others(answer: httpx.Response) -> None:
    """Broken: a cache between keeps what one caller may see, and gives it to another."""
    assert {"private", "no-cache"} <= {part.strip() for part in answer.headers["cache-control"].split(",")}


def test_every_body_says_what_it_is(answer: httpx.Response) -> None:
    """Broken: a browser guesses what an answer is, and runs it."""
    assert answer.content
    assert answer.headers["content-type"].partition(";")[0] in (
        "application/fhir+json",
        "application/json",
        "text/plain",
    )
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_no_header_tells_a_release(answer: httpx.Response) -> None:
    """Broken: every answer tells which release of which server to attack."""
    assert not {"x-powered-by", "via", "server"} & set(answer.headers)


def test_no_other_origin_may_read(answer: httpx.Response) -> None:
    """Broken: a page from anywhere reads answers in the name of who has it open."""
    assert not [name for name in answer.headers if name.startswith("access-control-")]


def test_no_answer_for_programs_opens_as_a_page(answer: httpx.Response) -> None:
    """Broken: a link to the API is opened by a browser as what the link's ending says, and run (ASVS 14.4.2, 12.3.4)."""
    assert answer.headers.get_list("content-disposition") == ['attachment; filename="vaka.json"']


def test_a_browser_that_is_led_to_a_programs_address_is_told(api: Api) -> None:
    """Broken: who follows a link to the API sees a download that failed, and no way on."""
    for address, status in (("/fhir/Patient", 401), ("/fhir", 401), ("/feed", 401), ("/fhir/Nothing/x", 401)):
        page = httpx.get(
            api.root + address, headers={"Sec-Fetch-Dest": "document", "Accept-Language": "en"}, timeout=60
        )
        assert page.status_code == status
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert "This address is for programs." in page.text
        assert 'href="/login"' in page.text
    program = httpx.get(api.root + "/fhir/Patient", headers={"Sec-Fetch-Dest": "empty"}, timeout=60)
    assert program.headers["content-type"] == "application/fhir+json; charset=utf-8"
