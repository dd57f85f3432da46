"""The extract for the patient (L4) and the review (L3) as pages: what is told, what is not, and who may see them."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
import orjson
import pypdf
import pytest
from tests.accesses import events
from tests.client import Api, observation
from tests.conftest import Instance
from tests.recovery.running import vaka
from tests.web.browser import Browser, field

from vaka.access.session import CLINICIAN, Right
from vaka.fhir.keys import resource_key

People = Callable[..., Api]
NUMBER = "http://electronichealth.se/identifier/personnummer"
ORGANISATION = "urn:oid:2.5.4.97"
SECURITY = {"system": "http://hl7.se/fhir/ig/base/CodeSystem/SecurityLabel", "code": "sekretessmarkering"}


@dataclass(frozen=True)
class Place:
    """A region of one's own: a public and a private provider, each with a unit, and a patient who is at the public one."""

    tag: str
    public: str
    ward: str
    private: str
    clinic: str
    patient: str
    number: str


@pytest.fixture
def place(api: Api, tag: str) -> Place:
    at = Place(tag, f"r-{tag}", f"w-{tag}", f"p-{tag}", f"c-{tag}", f"x-{tag}", f"1912{int(tag[:7], 16) % 10**8:08}")
    for id_, name, number in ((at.public, "Region Provby", "232100-0001"), (at.private, "Provvård AB", "556000-0001")):
        identifier = [{"system": ORGANISATION, "value": number}]
        api.make({"resourceType": "Organization", "id": id_, "name": f"{name} {tag[:6]}", "identifier": identifier})
    for id_, name, parent in ((at.ward, "Avdelning 7", at.public), (at.clinic, "Kliniken", at.private)):
        part_of = {"reference": f"Organization/{parent}"}
        api.make({"resourceType": "Organization", "id": id_, "name": f"{name} {tag[:6]}", "partOf": part_of})
    make_patient(api, at)
    for unit in (at.ward, at.clinic):
        api.make({
            "resourceType": "Encounter", "status": "in-progress", "subject": {"reference": f"Patient/{at.patient}"},
            "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"},
            "serviceProvider": {"reference": f"Organization/{unit}"}, "period": {"start": f"{datetime.now(UTC):%Y-%m-%d}"},
        })  # fmt: skip
    return at


def make_patient(api: Api, at: Place, **members: object) -> None:
    name = [{"family": "Provqvist", "given": ["Eva", "Åsa"]}]
    identifier = [{"system": NUMBER, "value": at.number}]
    api.make({"resourceType": "Patient", "id": at.patient, "identifier": identifier, "name": name, **members})


def somebody(
    person: People, at: Place, name: str, *, private: bool = False, rights: frozenset[Right] = CLINICIAN
) -> Api:
    unit, provider = (at.clinic, at.private) if private else (at.ward, at.public)
    hsa = f"SE-{name.replace(' ', '')}-{at.tag[:8]}"
    return person(person=hsa, practitioner=f"d-{at.tag}", unit=unit, provider=provider, name=name, rights=rights)


def auditor(person: People, at: Place, *, private: bool = False) -> Api:
    return somebody(person, at, "Lova Granskare", private=private, rights=frozenset({Right.LOG}))


def text_of(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def pdf_text(content: bytes) -> list[str]:
    return [page.extract_text() for page in pypdf.PdfReader(io.BytesIO(content)).pages]


def open_in_emergency(doctor: Api, at: Place) -> None:
    reason = [("what", "valueCode", "emergency"), ("reason", "valueString", "medvetslös, misstänkt förgiftning"),
              ("no-consent", "valueString", "patienten kan inte tala")]  # fmt: skip
    parameter = [{"name": name, member: value} for name, member, value in reason]
    answer = doctor.post(f"/Patient/{at.patient}/$open", json={"resourceType": "Parameters", "parameter": parameter})
    assert answer.status_code == 201, answer.text


def test_the_extract_tells_in_plain_swedish(api: Api, person: People, place: Place) -> None:
    """Would break: a patient cannot learn when, at which unit, by whom (in public care) and what kind was read."""
    api.make(observation(place.tag, subject={"reference": f"Patient/{place.patient}"}))
    anna, bo = somebody(person, place, "Anna Provek"), somebody(person, place, "Bo Hemlig", private=True)
    for doctor in (anna, anna, bo):
        assert doctor.get(f"/Patient/{place.patient}").status_code == 200
    open_in_emergency(anna, place)
    anna.get(f"/Patient/{place.patient}")
    reader = auditor(person, place)
    answer = httpx.get(f"{reader.root}/log/extract/{place.patient}", headers=reader.headers)
    assert answer.status_code == 200, answer.text
    told = text_of(answer.text)
    assert f"Eva Åsa Provqvist {place.number[:8]}-{place.number[8:]}" in told
    assert f"Avdelning 7 {place.tag[:6]}, Region Provby {place.tag[:6]} Anna Provek, Test Läst: personuppgifter" in told
    assert "Nödöppning. Öppnat i en nödsituation" in told
    assert "medvetslös, misstänkt förgiftning" in told
    assert "Nödöppning. Läst: personuppgifter" in told, "what was read while it lasted is told as that"
    assert re.search(r"20\d\d-\d\d-\d\d \d\d:\d\d", told)
    pages = pdf_text(httpx.get(f"{reader.root}/log/extract/{place.patient}/pdf", headers=reader.headers).content)
    for number, page in enumerate(pages, 1):
        assert "Eva Åsa Provqvist" in page
        assert f"{place.number[:8]}-{place.number[8:]}" in page
        assert f"Sida {number} av {len(pages)}" in page
        assert "Utskrivet 20" in page
        assert "Uppgifter till och med 20" in page
    assert "Anna Provek" in pages[0]
    private = text_of(
        httpx.get(
            f"{reader.root}/log/extract/{place.patient}", headers=auditor(person, place, private=True).headers
        ).text
    )
    assert "Bo Hemlig" not in private, "in private care the profession is told"
    assert f"Kliniken {place.tag[:6]}, Provvård AB {place.tag[:6]} Test Läst" in private


def test_the_way_to_an_extract(person: People, place: Place, journal: Instance) -> None:
    """Would break: a personal number stands in an address, which logs and browsers keep; or the form leads nowhere."""
    reader = auditor(person, place)
    with httpx.Client(base_url=reader.root, headers=reader.headers) as browser:
        assert "Loggutdrag till en patient" in browser.get("/log").text
        for given in (place.number, f"{place.number[:8]}-{place.number[8:]}", place.patient):
            found = browser.post("/log/extract", data={"patient": given})
            assert (found.status_code, found.headers["location"]) == (303, f"/log/extract/{place.patient}")
        assert browser.post("/log/extract", data={"patient": "191212121299"}).status_code == 404
        assert browser.get("/log/extract/nobody").status_code == 404
        assert browser.get(f"/log/extract/{place.number}").status_code == 404
    somebody_else = somebody(person, place, "Anna Provek")
    denied = httpx.post(f"{reader.root}/log/extract", data={"patient": place.number}, headers=somebody_else.headers)
    assert denied.status_code == 403


def test_many_pages_each_say_whose_they_are(person: People, journal: Instance, place: Place, tmp_path: Path) -> None:
    """Would break: a page that is found alone is nobody's (S7). By command, and by personal number."""
    for number in range(70):
        somebody(person, place, f"Person {number:03}").get(f"/Patient/{place.patient}")
    to = tmp_path / "utdrag.pdf"
    made = vaka(
        "log", "extract", "--data", journal.data, "--patient", f"{place.number[:8]}-{place.number[8:]}", "--to", to
    )
    assert made.returncode == 0, made.stderr
    assert to.stat().st_mode & 0o777 == 0o600
    pages = pdf_text(to.read_bytes())
    assert len(pages) > 1
    for number, page in enumerate(pages, 1):
        assert "Eva Åsa Provqvist" in page
        assert f"Sida {number} av {len(pages)}" in page
    assert all(f"Person {number:03}" in "".join(pages) for number in range(70))
    again = vaka("log", "extract", "--data", journal.data, "--patient", place.patient, "--to", to)
    assert again.returncode == 78
    assert (
        vaka(
            "log", "extract", "--data", journal.data, "--patient", "191212121299", "--to", tmp_path / "b.pdf"
        ).returncode
        == 66
    )
    assert not (tmp_path / "b.pdf").exists()


def test_a_protected_identity_shows_neither_place_nor_time(api: Api, person: People, place: Place) -> None:
    """Would break: who is sought by somebody dangerous is found through an extract (S24)."""
    anna = somebody(person, place, "Anna Provek")
    anna.get(f"/Patient/{place.patient}")
    make_patient(api, place, meta={"security": [SECURITY]})
    reader = auditor(person, place)
    answer = httpx.get(f"{reader.root}/log/extract/{place.patient}", headers=reader.headers)
    body = text_of(answer.text.partition("<main")[2])
    paper = "\n".join(
        pdf_text(httpx.get(f"{reader.root}/log/extract/{place.patient}/pdf", headers=reader.headers).content)
    )
    for told in (body, paper):
        assert "kyddade personuppgifter" in told
        assert "Läst: personuppgifter" in told
        for secret in ("Avdelning 7", "Region Provby", "Kliniken", "Anna Provek"):
            assert secret not in told, secret
    rows = body.partition("Senaste först")[2]
    assert rows
    assert not re.search(r"\d\d:\d\d|20\d\d-", rows)


def test_who_has_no_right_sees_nothing(
    client: Callable[..., Api], person: People, place: Place, journal: Instance
) -> None:
    """Would break: a clinician, a narrow program or a stranger reads who reads; or learns who is a patient."""
    doctor = somebody(person, place, "Anna Provek")
    for address in (
        f"/log/extract/{place.patient}",
        f"/log/extract/{place.number}",
        "/log/extract/nobody",
        "/log/review",
    ):
        assert httpx.get(doctor.root + address, headers=doctor.headers).status_code == 403
        assert (
            httpx.get(doctor.root + address, headers=client("narrow", frozenset({"feed"})).headers).status_code == 403
        )
        assert httpx.get(doctor.root + address).status_code == 401
    assert doctor.get("/AuditEvent?_source=urn:vaka:access-log").status_code == 403
    found = events(journal.data, f"SE-AnnaProvek-{place.tag[:8]}")
    assert [event.record.status for event in found[-5:]] == [403] * 5
    assert all("L3" in event.record.why for event in found[-5:])


def test_an_auditor_sees_the_own_providers_log(person: People, place: Place) -> None:
    """Would break: one provider's reviewer reads another's log."""
    somebody(person, place, "Anna Provek").get(f"/Patient/{place.patient}")
    source = "_source=urn:vaka:access-log"

    def seen(reader: Api) -> set[str]:
        found = reader.get(f"/AuditEvent?patient={place.patient}&{source}").json()
        return {entry["resource"]["agent"][0]["who"]["display"] for entry in found.get("entry", [])}

    assert "Anna Provek" in seen(auditor(person, place))
    assert "Anna Provek" not in seen(auditor(person, place, private=True))


def test_a_review_draws_and_records(api: Api, person: People, place: Place, journal: Instance) -> None:
    """Would break: what stands out is not drawn, or a finding is lost, doubled or anonymous."""
    namesake = somebody(person, place, "Kim Provqvist")
    namesake.get(f"/Patient/{place.patient}")
    open_in_emergency(namesake, place)
    reader = auditor(person, place)
    with httpx.Client(base_url=reader.root, headers=reader.headers) as browser:
        html = browser.get("/log/review?kind=suspicious&sample=20").text
        told = text_of(html)
        assert "Kim Provqvist" in told
        assert "samma efternamn" in told
        assert "nödöppning eller hävd spärr" in told
        (own,) = [
            event
            for event in events(journal.data, f"SE-KimProvqvist-{place.tag[:8]}")
            if event.record.activity == "emergency"
        ]
        assert own.id in html
        fields = {"event": own.id, "drawn": "emergency", "verdict": "unjustified", "comment": "fanns ingen fara"}
        assert browser.post("/log/review", data={**fields, "verdict": "nonsense"}).status_code == 400
        assert browser.post("/log/review", data={**fields, "comment": " "}).status_code == 400
        assert browser.post("/log/review", data={**fields, "event": "none"}).status_code == 404
        saved = browser.post("/log/review", data=fields)
        assert saved.status_code == 303
        after = browser.get(saved.headers["location"] + "&kind=suspicious&sample=200").text
        assert "fanns ingen fara" in after
        assert "Lova Granskare" in after
        assert after.count(own.id) == 1, "what was reviewed is not drawn again"
        for wrong in ("sample=0", "sample=x", "sample=100000"):
            assert browser.get(f"/log/review?{wrong}").status_code == 400
    other = auditor(person, place, private=True)
    assert httpx.post(f"{other.root}/log/review", data=fields, headers=other.headers).status_code == 403
    listed = vaka("log", "review", "--data", journal.data, "--json")
    findings = [orjson.loads(line) for line in listed.stdout.splitlines()]
    assert [one["verdict"] for one in findings if one["event"] == own.id] == ["unjustified"]


def test_nobody_is_drawn_their_own_accesses(person: People, place: Place, journal: Instance) -> None:
    """Would break: a reviewer's sample holds what that person may not review, in the place of what could be."""
    rights = CLINICIAN | {Right.LOG}
    reviewer, colleague = (somebody(person, place, name, rights=rights) for name in ("Kim Provqvist", "Lo Provqvist"))
    for one in (reviewer, colleague):
        assert one.get(f"/Patient/{place.patient}").status_code == 200
    for kind in ("suspicious", "random"):
        drawn = {
            name: httpx.get(f"{one.root}/log/review?kind={kind}&sample=200", headers=one.headers).text.partition(
                "<main"
            )[2]
            for name, one in (("Kim", reviewer), ("Lo", colleague))
        }
        assert "Lo Provqvist" in drawn["Kim"]
        assert "Kim Provqvist" not in drawn["Kim"]
        assert "Kim Provqvist" in drawn["Lo"]
    hsa = f"SE-KimProvqvist-{place.tag[:8]}"
    sample = ("log", "review", "--data", journal.data, "--sample", "200", "--suspicious", "--json")
    assert hsa in vaka(*sample).stdout
    assert hsa not in vaka(*sample, "--reviewer", hsa).stdout
    (own,) = [event for event in events(journal.data, hsa) if event.record.activity == "read"]
    fields = {"event": own.id, "drawn": "asked", "verdict": "justified", "comment": ""}
    assert httpx.post(f"{reviewer.root}/log/review", data=fields, headers=reviewer.headers).status_code == 403


def test_a_review_by_command(person: People, place: Place, journal: Instance) -> None:
    """Would break: a review cannot be done where there are no pages."""
    somebody(person, place, "Kim Provqvist").get(f"/Patient/{place.patient}")
    drawn = vaka("log", "review", "--data", journal.data, "--sample", "200", "--suspicious", "--json")
    rows = [orjson.loads(line) for line in drawn.stdout.splitlines()]
    own = [row for row in rows if row["actor"]["person"] == f"SE-KimProvqvist-{place.tag[:8]}"]
    assert own, drawn.stderr
    assert "same-surname" in own[0]["signs"]
    assert resource_key("Patient", place.patient) in own[0]["patients"]
    arguments = ("log", "review", "--data", journal.data, "--event", own[0]["id"], "--verdict", "unclear")
    assert vaka(*arguments).returncode == 65, "a finding needs words"
    assert vaka(*arguments, "--comment", "utreds", "--reviewer", "Lova").returncode == 0
    assert "utreds" in vaka("log", "review", "--data", journal.data).stdout
    assert len(vaka("log", "review", "--data", journal.data, "--sample", "3").stdout.splitlines()) == 3


def test_a_finding_is_taken_from_our_own_page_alone(person: People, place: Place, journal: Instance) -> None:
    """Would break: another site makes a reviewer's browser record findings (CSRF); or the page's own form does not work."""
    somebody(person, place, "Kim Provqvist").get(f"/Patient/{place.patient}")
    browser = Browser(journal.url)
    browser.cookies["__Host-vaka"] = journal.session(
        person=f"SE-Lova-{place.tag[:8]}", practitioner=f"d-{place.tag}", unit=place.ward, provider=place.public,
        name="Lova Granskare", rights=frozenset({Right.LOG}),
    )  # fmt: skip
    page = browser.get("/log/review?kind=suspicious&sample=20").text
    assert "Kim Provqvist" in text_of(page)
    fields = {name: field(page, name) for name in ("event", "drawn", "csrf")} | {"verdict": "justified", "comment": ""}
    for wrong in (
        {**fields, "csrf": ""},
        {**fields, "csrf": "x" * 40},
        {k: v for k, v in fields.items() if k != "csrf"},
    ):
        assert browser.post("/log/review", wrong).status_code == 403
    assert browser.post("/log/review", fields, Origin="http://elsewhere.example").status_code == 403
    assert browser.post("/log/review", fields).status_code == 303
    found = browser.post("/log/extract", {"patient": place.number, "csrf": field(browser.get("/log").text, "csrf")})
    assert found.headers["location"] == f"/log/extract/{place.patient}"
    assert "Provqvist" in browser.get(found.headers["location"]).text
    browser.cookies.clear()
    assert browser.get("/log/review").status_code == 401
