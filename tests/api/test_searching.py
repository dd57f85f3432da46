"""Search, each kind of parameter by examples whose answers stand here. https://hl7.org/fhir/R4/search.html.

``test_differential`` asks at random what these ask by name.
"""

from __future__ import annotations

from typing import Any

import pytest
from tests.client import SYSTEM, Api, Resource, entries, fresh, identifier, link, outcome, put

LOINC, UCUM = "http://loinc.org", "http://unitsofmeasure.org"


@pytest.fixture(scope="module")
def tagged(api: Api) -> str:
    """A tag under which some patients and what belongs to them are loaded; ids are TAG-name."""
    tag = fresh()[:16]

    def one(type_: str, called: str, /, **members: Any) -> Resource:
        return put(
            {
                "resourceType": type_,
                "id": f"{tag}-{called}",
                "meta": {"tag": [{"system": SYSTEM, "code": tag}]} | members.pop("meta", {}),
                **members,
            }
        )

    def to(type_: str, name: str) -> Resource:
        return {"reference": f"{type_}/{tag}-{name}"}

    def coded(code: str, display: str | None = None, system: str | None = LOINC) -> Resource:
        return {
            "coding": [
                {"code": code, **({"system": system} if system else {}), **({"display": display} if display else {})}
            ]
        }

    def amount(value: float, code: str) -> Resource:
        return {"value": value, "unit": code, "system": UCUM, "code": code}

    region = one("Organization", "region", name="Region Mitt", identifier=[identifier("region")])
    hospital = one("Organization", "hospital", name="Länssjukhuset", partOf=to("Organization", "region"))
    ward = one("Organization", "ward", name="Avdelning 7", partOf=to("Organization", "hospital"))
    eva = one("Practitioner", "eva", name=[{"family": "Läkare", "given": ["Eva"]}], identifier=[identifier("SE-1")])
    anna = one(
        "Patient", "anna", name=[{"family": "Åberg-Öst", "given": ["Anna", "Maria"]}], gender="female", birthDate="1970-05-06", active=True,
        identifier=[identifier("19700506-1234") | {"type": {"coding": [{"system": "http://v2", "code": "MR"}]}}], generalPractitioner=[to("Practitioner", "eva")],
        managingOrganization=to("Organization", "ward"), telecom=[{"system": "phone", "value": "070-1"}, {"system": "email", "value": "a@b.se"}],
        address=[{"city": "Umeå", "line": ["Storgatan 1"]}],
    )  # fmt: skip
    bo = one(
        "Patient",
        "bo",
        name=[{"family": "O'Neill", "given": ["Bo"]}],
        gender="male",
        birthDate="1970",
        deceasedDateTime="2024-01-01",
        managingOrganization=to("Organization", "hospital"),
    )
    cia = one(
        "Patient",
        "cia",
        name=[{"text": "Cia Ek"}],
        birthDate="2001-12-31",
        link=[{"other": to("Patient", "anna"), "type": "seealso"}],
        meta={"security": [{"code": "R"}], "profile": ["http://p/1|2"], "source": "http://s/lab/1"},
    )
    visit = one(
        "Encounter",
        "visit",
        status="in-progress",
        **{"class": {"code": "IMP"}},
        subject=to("Patient", "anna"),
        serviceProvider=to("Organization", "ward"),
        period={"start": "2024-03-01T08:00:00+01:00"},
    )
    past = one(
        "Encounter",
        "past",
        status="finished",
        **{"class": {"code": "AMB"}},
        subject=to("Patient", "bo"),
        period={"start": "2023-01-10", "end": "2023-01-20"},
    )
    weight = one(
        "Observation",
        "weight",
        status="final",
        code=coded("29463-7", "Body weight"),
        subject=to("Patient", "anna"),
        effectiveDateTime="2024-03-02",
        valueQuantity=amount(72.5, "kg"),
        encounter=to("Encounter", "visit"),
        performer=[to("Practitioner", "eva")],
        text={"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">Vägdes stående</div>'},
    )
    grams = one(
        "Observation",
        "grams",
        status="preliminary",
        code=coded("29463-7", "Body weight"),
        subject=to("Patient", "bo"),
        effectiveDateTime="2024-03",
        valueQuantity=amount(72500, "g"),
    )
    pressure = one(
        "Observation", "pressure", status="final", code={"text": "Blodtryck, liggande", **coded("85354-9")}, subject=to("Patient", "anna"), effectivePeriod={"start": "2024-03-01", "end": "2024-03-03"},
        component=[{"code": coded("8480-6"), "valueQuantity": amount(130, "mm[Hg]")}, {"code": coded("8462-4"), "valueQuantity": amount(80, "mm[Hg]")}],
    )  # fmt: skip
    smoking = one(
        "Observation",
        "smoking",
        status="amended",
        code=coded("72166-2"),
        subject={"identifier": identifier("someone"), "display": "Någon Annan"},
        valueCodeableConcept=coded("8517006", "Ex-smoker", "http://snomed.info/sct"),
        effectiveDateTime="2024-03-02T10:30:00+01:00",
        derivedFrom=[to("Observation", "weight")],
    )
    risk = one(
        "RiskAssessment",
        "risk",
        status="final",
        subject=to("Patient", "anna"),
        prediction=[{"probabilityDecimal": 0.25}],
    )
    values = one("ValueSet", "values", status="active", url="http://example.org/fhir/ValueSet/a/b", version="1")
    trace = one(
        "Provenance",
        "trace",
        target=[to("Observation", "weight")],
        recorded="2024-03-02T10:00:00Z",
        agent=[{"who": to("Practitioner", "eva")}],
    )
    everything = [
        region,
        hospital,
        ward,
        eva,
        anna,
        bo,
        cia,
        visit,
        past,
        weight,
        grams,
        pressure,
        smoking,
        risk,
        values,
        trace,
    ]
    for entry in everything:  # one by one: their order of creation is theirs
        made = api.put(f"/{entry['request']['url']}", json=entry["resource"])
        assert made.status_code == 201, made.text
    return tag


def names(api: Api, tag: str, address: str) -> set[str]:
    """Names of what a search among the loaded finds; ``~`` in it stands for the tag."""
    joint = "&" if "?" in address else "?"
    found = api.bundle(f"/{address.replace('~', tag + '-')}{joint}_tag={SYSTEM}|{tag}", Prefer="handling=strict")
    return {entry["resource"]["id"].removeprefix(tag + "-") for entry in entries(found)}


ALL = "anna bo cia eva visit past weight grams pressure smoking risk values hospital ward region trace"
CASES = """
Patient?gender=female => anna
Patient?gender=female,male => anna bo
Patient?gender=http://hl7.org/fhir/administrative-gender|male => bo
Patient?gender=http://elsewhere|male =>
Patient?gender:not=female => bo cia
Patient?gender:missing=true => cia
Patient?gender:missing=false => anna bo
Patient?active=true => anna
Patient?deceased=true => bo
Patient?identifier=19700506-1234 => anna
Patient?identifier=http://example.org/test|19700506-1234 => anna
Patient?identifier=http://example.org/test| => anna
Patient?identifier=|19700506-1234 =>
Patient?identifier:of-type=http://v2|MR|19700506-1234 => anna
Patient?identifier:of-type=http://v2|XX|19700506-1234 =>
Patient?telecom=070-1 => anna
Patient?phone=070-1 => anna
Patient?email=070-1 =>
Patient?family=aberg => anna
Patient?family=ÅBERG => anna
Patient?family=berg =>
Patient?family:contains=ost => anna
Patient?family:exact=Åberg-Öst => anna
Patient?family:exact=åberg-öst =>
Patient?family=o'neill => bo
Patient?given=mar => anna
Patient?name=cia => cia
Patient?name=anna,bo => anna bo
Patient?given=anna&given=maria => anna
Patient?given=anna&given=bo =>
Patient?address=umea => anna
Patient?address-city=Umeå => anna
Patient?birthdate=1970-05-06 => anna
Patient?birthdate=1970 => anna bo
Patient?birthdate=1970-05 => anna
Patient?birthdate=ne1970 => cia
Patient?birthdate=gt1970-05-06 => bo cia
Patient?birthdate=ge1970-05-06 => anna bo cia
Patient?birthdate=lt1970-05-06 => bo
Patient?birthdate=le1970-05-06 => anna bo
Patient?birthdate=sa1970 => cia
Patient?birthdate=eb2001 => anna bo
Patient?birthdate=ge1970-01-01&birthdate=lt1971 => anna bo
Patient?death-date=2024 => bo
Patient?_id=~anna,~bo => anna bo
Patient?_lastUpdated=gt2020-01-01 => anna bo cia
Patient?_lastUpdated=lt2020-01-01 =>
Patient?_security=R => cia
Patient?_profile=http://p/1 => cia
Patient?_profile=http://p/1|2 => cia
Patient?_profile=http://p/1|3 =>
Patient?_source=http://s/lab/1 => cia
Patient?_source:above=http://s/lab/1/x => cia
Patient?general-practitioner=~eva => anna
Patient?general-practitioner=Practitioner/~eva => anna
Patient?general-practitioner:Practitioner=~eva => anna
Patient?general-practitioner:Organization=~eva =>
Patient?link=Patient/~anna => cia
Patient?organization.name=avdelning => anna
Patient?organization.partof.name=region => bo
Patient?organization.partof.partof.name=region => anna
Patient?organization:Organization.partof:Organization.identifier=region => bo
Patient?general-practitioner.name=lakare => anna
Patient?general-practitioner:Practitioner.identifier=http://example.org/test|SE-1 => anna
Patient?_has:Observation:patient:code=29463-7 => anna bo
Patient?_has:Observation:patient:code=85354-9 => anna
Patient?_has:Observation:subject:value-quantity=gt72 => anna bo
Patient?_has:Encounter:patient:_has:Observation:encounter:code=29463-7 => anna
Patient?_has:Observation:patient:_has:Provenance:target:agent=Practitioner/~eva => anna
Practitioner?_has:Patient:general-practitioner:birthdate=1970-05-06 => eva
Organization?_has:Patient:organization:gender=male => hospital
Organization?partof.partof.name=region => ward
Encounter?status=in-progress&service-provider=~ward => visit
Encounter?date=2023-01 => past
Encounter?date=gt2024-06 => visit
Encounter?date=ge2023-01-15&date=le2023-01-16 => past
Encounter?date=2024 =>
Encounter?date=sa2023-02 => visit
Encounter?date=eb2023-02 => past
Encounter?date=eb2023-01-15 =>
Encounter?date=sa2023-01-15 => visit
Encounter?date=lt2023-01-15 => past
Encounter?date=ap2023-01-15 => past
Encounter?subject.name=anna => visit
Encounter?patient.general-practitioner.family=läkare => visit
Observation?code=29463-7 => weight grams
Observation?code=http://loinc.org|29463-7 => weight grams
Observation?code:text=weight => weight grams
Observation?code:text=BLODTRYCK => pressure
Observation?code:text=liggande blodtryck => pressure
Observation?combo-code=8480-6 => pressure
Observation?component-code=8480-6 => pressure
Observation?code:not=29463-7 => pressure smoking
Observation?status=final => weight pressure
Observation?patient=~anna => weight pressure
Observation?subject=Patient/~anna => weight pressure
Observation?subject:identifier=http://example.org/test|someone => smoking
Observation?subject:text=annan => smoking
Observation?value-quantity=72.5 => weight
Observation?value-quantity=72.5||kg => weight grams
Observation?value-quantity=72.5|http://unitsofmeasure.org|kg => weight grams
Observation?value-quantity=72.50|http://unitsofmeasure.org|kg => weight grams
Observation?value-quantity=73|http://unitsofmeasure.org|kg => weight grams
Observation?value-quantity=72500|http://unitsofmeasure.org|g => weight grams
Observation?value-quantity=gt72|http://unitsofmeasure.org|kg => weight grams
Observation?value-quantity=lt72|http://unitsofmeasure.org|kg =>
Observation?value-quantity=ap70|http://unitsofmeasure.org|kg => weight grams
Observation?value-quantity=ne72.5|http://unitsofmeasure.org|kg =>
Observation?combo-value-quantity=ge100||mm[Hg] => pressure
Observation?value-concept=8517006 => smoking
Observation?code-value-quantity=29463-7$gt70||kg => weight grams
Observation?component-code-value-quantity=8480-6$gt120 => pressure
Observation?component-code-value-quantity=8462-4$gt120 =>
Observation?combo-code-value-quantity=http://loinc.org|8480-6$130 => pressure
Observation?code-value-concept=72166-2$8517006 => smoking
Observation?date=2024-03-02 => weight smoking
Observation?date=2024-03 => weight grams pressure smoking
Observation?date=2024-03-02T09:30:00Z => smoking
Observation?date=lt2024-03-02 => grams pressure
Observation?date=ge2024-03-03 => grams
Observation?encounter=~visit => weight
Observation?performer=~eva => weight
Observation?derived-from=~weight => smoking
Observation?derived-from.performer.name=eva => smoking
Observation?_text=stående => weight
Observation?_text=blodtryck =>
Observation?_content=stående => weight
Observation?_content=liggande => pressure
RiskAssessment?probability=0.25 => risk
RiskAssessment?probability=gt0.2&probability=lt0.3 => risk
RiskAssessment?probability=0.4 =>
ValueSet?url=http://example.org/fhir/ValueSet/a/b => values
ValueSet?url=http://example.org/fhir/ValueSet/a =>
ValueSet?url:below=http://example.org/fhir => values
ValueSet?url:above=http://example.org/fhir/ValueSet/a/b/c => values
ValueSet?version=1 => values
Patient/~anna/Observation?code=29463-7 => weight
Patient/~anna/*?_type=Observation,Encounter => weight pressure visit
"""


@pytest.mark.parametrize("case", CASES.strip().splitlines())
def test_what_a_search_finds(api: Api, tagged: str, case: str) -> None:
    """Would break: the meaning of one kind, prefix, modifier, chain or _has."""
    address, _, found = case.partition(" =>")
    assert names(api, tagged, address) == set(found.split())


def included(api: Api, tag: str, address: str) -> tuple[set[str], set[str]]:
    """(matches, includes) by name."""
    page = api.bundle(f"/{address.replace('~', tag + '-')}&_tag={SYSTEM}|{tag}", Prefer="handling=strict")
    by_mode = [
        {entry["resource"]["id"].removeprefix(tag + "-") for entry in entries(page, mode)}
        for mode in ("match", "include")
    ]
    return by_mode[0], by_mode[1]


@pytest.mark.parametrize(
    ("address", "matches", "includes"),
    [
        ("Observation?code=29463-7&_include=Observation:subject", "weight grams", "anna bo"),
        ("Observation?code=29463-7&_include=Observation:patient", "weight grams", "anna bo"),
        ("Observation?code=29463-7&_include=Observation:subject:Patient", "weight grams", "anna bo"),
        ("Observation?code=29463-7&_include=Observation:subject:Group", "weight grams", ""),
        ("Observation?_id=~weight&_include=Observation:*", "weight", "anna visit eva"),
        ("Observation?_id=~weight&_include=*", "weight", "anna visit eva"),
        ("Observation?_id=~weight&_include=Observation:subject&_include=Observation:performer", "weight", "anna eva"),
        ("Observation?_id=~weight&_include=Observation:subject&_include=Patient:organization", "weight", "anna"),
        ("Observation?_id=~weight&_include=Observation:subject&_include:iterate=Patient:organization", "weight", "anna ward"),
        ("Observation?_id=~weight&_include=Observation:subject&_include:iterate=Patient:organization&_include:iterate=Organization:partof", "weight", "anna ward hospital region"),
        ("Patient?_id=~anna&_revinclude=Observation:subject", "anna", "weight pressure"),
        ("Patient?_id=~anna&_revinclude=Observation:patient&_revinclude=Encounter:subject", "anna", "weight pressure visit"),
        ("Patient?_id=~anna&_revinclude=Observation:subject&_revinclude:iterate=Provenance:target", "anna", "weight pressure trace"),
        ("Patient?_id=~anna&_revinclude=*", "anna", "weight pressure visit risk cia"),
        ("Patient?_id=~anna&_revinclude=Observation:*", "anna", "weight pressure"),
        ("Organization?_id=~ward&_revinclude=Patient:organization&_revinclude:iterate=Observation:patient&_include=Organization:partof", "ward", "anna weight pressure hospital"),
        ("Organization?_id=~region&_revinclude:iterate=Organization:partof", "region", "hospital ward"),
        ("Patient?_id=~anna,~cia&_include=Patient:link", "anna cia", ""),
    ],
)  # fmt: skip
def test_includes(api: Api, tagged: str, address: str, matches: str, includes: str) -> None:
    """Would break: what comes along with the matches, each once, marked as included."""
    assert included(api, tagged, address) == (set(matches.split()), set(includes.split()))


@pytest.mark.parametrize(
    ("order", "names_"),
    [
        ("", "smoking pressure grams weight"),
        ("_id", "grams pressure smoking weight"),
        ("-_id", "weight smoking pressure grams"),
        ("_lastUpdated", "weight grams pressure smoking"),
        ("date,_id", "grams pressure weight smoking"),
        ("-date,_id", "smoking weight grams pressure"),
        ("value-quantity,_id", "weight grams pressure smoking"),
        ("-value-quantity,_id", "grams weight pressure smoking"),
        ("status,-_id", "smoking weight pressure grams"),
        ("code,-value-quantity", "grams weight smoking pressure"),
        ("patient,_id", "pressure weight grams smoking"),
    ],
)
def test_sorting(api: Api, tagged: str, order: str, names_: str) -> None:
    """Would break: order by each kind of value, in both directions, by several keys, what lacks the value last."""
    address = f"/Observation?_tag={SYSTEM}|{tagged}" + (f"&_sort={order}" if order else "")
    for count in ("", "&_count=1", "&_count=3"):
        found = [id_.removeprefix(tagged + "-") for id_ in api.ids(address + count)]
        assert found == names_.split(), count


def test_summaries_and_elements(api: Api, tagged: str) -> None:
    """Would break: parts of resources, each marked SUBSETTED, and never stored as such."""
    address = f"/Observation?_id={tagged}-weight"

    def only(asked: str) -> Resource:
        resource: Resource = entries(api.bundle(f"{address}&{asked}"))[0]["resource"]
        assert any(one["code"] == "SUBSETTED" for one in resource["meta"]["tag"])
        assert {"resourceType", "id"} <= set(resource)
        return resource

    assert "text" not in only("_summary=true")
    assert "text" not in only("_summary=data")
    assert set(only("_summary=text")) == {"resourceType", "id", "meta", "text", "status", "code"}
    assert set(only("_elements=valueQuantity,Observation.encounter")) >= {"encounter", "status", "code"}
    assert "performer" not in only("_elements=encounter")
    assert "tag" in api.get(f"/Observation/{tagged}-weight").json()["meta"]
    assert "SUBSETTED" not in api.get(f"/Observation/{tagged}-weight").text
    assert '"value":72.5' in api.get(f"{address}&_elements=value").text.replace(" ", "")


def test_post_search_is_the_same_search(api: Api, tagged: str) -> None:
    """Would break: names in a body instead of an address, joined with those of the address."""
    form = {"code": "29463-7", "subject:Patient.name": "Åberg"}
    answer = api.post(f"/Observation/_search?_tag={SYSTEM}|{tagged}", data=form)
    assert [entry["resource"]["id"] for entry in entries(answer.json())] == [f"{tagged}-weight"]
    system = api.post("/_search", data={"_type": "Patient,Observation", "_tag": f"{SYSTEM}|{tagged}", "_count": "100"})
    assert len(entries(system.json())) == 7
    assert api.post("/Patient/_search", content=b"").status_code == 200


def test_search_in_the_system(api: Api, tagged: str) -> None:
    """Would break: several types at once, by what they have in common."""
    assert names(api, tagged, "?_count=100") == set(ALL.split())
    assert names(api, tagged, "?_type=Patient,Practitioner&_count=100") == {"anna", "bo", "cia", "eva"}
    assert names(api, tagged, "?_type=Observation,Encounter&patient=~anna") == {"weight", "pressure", "visit"}
    assert names(api, tagged, "?_type=Patient,Practitioner&name=eva,bo") == {"eva", "bo"}
    outcome(api.get("?_type=Patient,Foo"), 400)
    outcome(api.get("?_type=Patient,Observation&gender=male", headers={"Prefer": "handling=strict"}), 400)


@pytest.mark.parametrize(
    "unknown",
    [
        "foo=bar",
        "gender:foo=x",
        "_include=Observation:foo",
        "_include=Foo:x",
        "_sort=foo",
        "organization.foo=x",
        "_has:Observation:foo:code=x",
        "_filter=x",
        "near=x",
    ],
)
def test_what_is_not_known(api: Api, tagged: str, unknown: str) -> None:
    """Would break: under strict handling an error; else the search goes on and says what it left out, or refuses."""
    address = f"/Patient?_tag={SYSTEM}|{tagged}&{unknown}"
    issue = outcome(api.get(address, headers={"Prefer": "handling=strict"}), 400)[0]
    assert issue["expression"] == [unknown.partition("=")[0]]
    lenient = api.get(address)
    if lenient.status_code == 200:
        told = [entry["resource"] for entry in entries(lenient.json(), "outcome")]
        assert told[0]["issue"][0]["expression"] == [unknown.partition("=")[0]]
        assert unknown not in str(link(lenient.json(), "self")).replace("%3A", ":")
        assert len(entries(lenient.json())) == 3
    else:
        outcome(lenient, 400)
