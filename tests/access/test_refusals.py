"""Bad input at the doors of the record: each kind is refused without a word of why, and the access log tells all of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import httpx
import psycopg
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.access.wards import Ward, agreement, ward
from tests.accesses import events
from tests.api.programs import Program, program
from tests.api.test_sessions import claims_of, hmac_signed, older, role, signed, staffed
from tests.client import Api, ask, outcome
from tests.conftest import Instance
from tests.waiting import until

from vaka.access.session import CLINICIAN, Right
from vaka.accesslog.record import Record
from vaka.api.keyring import Keyring
from vaka.api.sessions import AUDIENCE
from vaka.fhir.keys import resource_key
from vaka.journal import cluster

__all__ = ["program", "staffed", "ward"]


def logged(journal: Instance, who: str | None = None, *, address: str | None = None) -> list[Record]:
    """Records of somebody, or of an address, oldest first."""
    records = [event.record for event in events(journal.data, who)]
    return [record for record in records if address is None or record.address == address]


def last(ward: Ward, who: str = "h") -> Record:
    return logged(ward.journal, f"{ward.tag}{who}")[-1]


def the_same(*answers: httpx.Response, apart: tuple[str, ...] = ()) -> None:
    """Answers that tell nothing: one cannot be told from another but by what was asked."""
    told = set()
    for answer in answers:
        text = answer.text
        for name in apart:
            text = text.replace(name, "…")
        kept = {name: value for name, value in answer.headers.items() if name not in ("date", "content-length")}
        told.add((answer.status_code, text, tuple(sorted(kept.items()))))
    assert len(told) == 1, told


def test_tokens_that_are_forged_expired_for_others_or_confused(journal: Instance, tag: str) -> None:
    """Breaks if who tries a token learns what was wrong with it, or the log does not."""
    claims = claims_of(journal.session(person=f"P-{tag}", practitioner="p", unit="u", provider="v"))
    keys, now = Keyring(journal.data, "session"), int(time.time())
    pem = keys.private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    tried = {
        "Signature verification failed": signed(journal, claims, key=Ed25519PrivateKey.generate()),
        "no key of ours": signed(journal, claims, kid="0" * 16),
        "has expired": signed(journal, claims | {"exp": now - 31}),
        "not yet valid": signed(journal, claims | {"iat": now + 90}),
        "udience": signed(journal, claims | {"aud": "vaka"}),
        "alg": hmac_signed(claims, pem, keys.kid),
        "ssuer": signed(journal, claims | {"iss": "elsewhere"}),
        "as long as a session may": signed(journal, claims | {"auth_us": (now - 13 * 3_600) * 1_000_000, "exp": now + 60}),
    }  # fmt: skip
    assert claims["aud"] == AUDIENCE
    answers = {
        why: httpx.get(f"{journal.url}/fhir/Patient/{tag}-{n}", headers={"Authorization": f"Bearer {token}"})
        for n, (why, token) in enumerate(tried.items())
    }
    the_same(*answers.values())
    assert {answer.status_code for answer in answers.values()} == {401}
    for n, why in enumerate(tried):
        (record,) = logged(journal, address=f"/fhir/Patient/{tag}-{n}")
        assert record.status == 401
        assert why in record.why, (why, record.why)
    # Clocks that differ by less than half a minute are none of it.
    late = signed(journal, claims | {"exp": now - 15, "iat": now + 15})
    assert httpx.get(f"{journal.url}/fhir/openapi.json", headers={"Authorization": f"Bearer {late}"}).status_code == 200


def test_a_session_that_was_ended_is_replayed(journal: Instance, tag: str) -> None:
    """Breaks if a cookie that was copied before its owner logged out opens anything, or its use leaves no trace."""
    token = journal.session(person=f"P-{tag}", practitioner="p", unit="u", provider="v")
    with psycopg.connect(cluster.at(journal.data / "pg").dsn(), autocommit=True) as connection:
        connection.execute(
            "INSERT INTO revocation (session, person, at_us, until_us, reason) VALUES (%s, %s, %s, %s, 'logged out')",
            (claims_of(token)["jti"], f"P-{tag}", time.time_ns() // 1_000, time.time_ns() // 1_000 + 10**12),
        )
    headers = {"Authorization": f"Bearer {token}"}
    until(lambda: httpx.get(f"{journal.url}/fhir/openapi.json", headers=headers).status_code == 401, "it is known")
    answer = httpx.get(f"{journal.url}/fhir/Patient/{tag}", headers={"Cookie": f"__Host-vaka={token}"})
    assert outcome(answer, 401)[0]["diagnostics"] == "you are not logged in, or not any more"
    (record,) = logged(journal, address=f"/fhir/Patient/{tag}")
    assert record.why == f"session {claims_of(token)['jti']} was ended"


def test_an_assertion_is_replayed(program: Callable[..., Program]) -> None:
    """Breaks if who has seen an assertion learns that it was good once, or the log does not tell whose was used again."""
    one = program("system/Patient.rs")
    assertion = one.assertion()
    assert one.ask(assertion).status_code == 200
    again, foreign = one.ask(assertion), one.ask(one.assertion(aud="https://elsewhere.example/"))
    the_same(again, foreign)
    assert again.status_code == 401
    refused = [record for record in logged(one.journal) if record.activity == "token-refused"][-2:]
    assert refused[0].reason == f"{one.name}: used before"
    assert "another address" in refused[1].reason


@pytest.mark.parametrize("scope", ["system/Observation.xyz", "system/Observation.rs?category", "system/Nothing.r", "patient/Patient.r", "système/*", "system/Patient.cruds"])  # fmt: skip
def test_scopes_that_do_not_parse_or_were_not_given(program: Callable[..., Program], scope: str) -> None:
    """Breaks if such a scope gives a token, or the log does not tell which program asked for what."""
    one = program("system/Patient.rs")
    answer = one.ask(scope=scope)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_scope")
    assert "access_token" not in answer.text
    record = logged(one.journal, f"client:{one.name}")[-1]
    assert (record.activity, record.status) == ("token-refused", 400)
    assert record.reason
    assert record.reason in answer.json()["error_description"]


def test_another_sites_request(ward: Ward) -> None:
    """Breaks if a page elsewhere writes with a clinician's cookie, or nobody can see that it tried (CSRF)."""
    person = f"{ward.tag}h"
    token = ward.journal.session(person=person, practitioner=person, unit=f"{ward.tag}u", provider=f"{ward.tag}p")
    cookie = {"Cookie": f"__Host-vaka={token}"}
    for headers, why in (
        ({}, "origin none"), ({"Origin": ward.journal.url}, "csrf token missing"),
        ({"Origin": "https://evil.example", "X-CSRF-Token": "x"}, "origin https://evil.example"),
        ({"Sec-Fetch-Site": "cross-site", "X-CSRF-Token": "x"}, "cross-site"),
    ):  # fmt: skip
        answer = httpx.delete(f"{ward.journal.url}/fhir/Observation/{ward.note('u')}", headers=cookie | headers)
        outcome(answer, 403)
        assert why not in answer.text
        record = last(ward)
        assert (record.status, record.activity, record.address) == (
            403,
            "delete",
            f"/fhir/Observation/{ward.note('u')}",
        )
        assert why in record.why
    assert ward.sees(ward.at("u"), "u")


@pytest.mark.parametrize("trick", ["/%2e%2e/Patient/{0}", "/Patient/x/%2e%2e/{0}", "/Patient/{0}%2f$everything", "/Patient//{0}/$everything", "/Patient/x;id={0}",
                                   "/Patient/{0}%00", "/Patient/{0}/../../Observation", "/Patient/{1}/../{0}/$everything", "/Patient/{1}%2f..%2f{0}/Observation"])  # fmt: skip
def test_path_tricks_name_no_other_patient(ward: Ward, trick: str) -> None:
    """Breaks if an address means another patient to the rules than to the store, or to the log than to both."""
    mine = ward.at("u")
    other = ward.api.make({"resourceType": "Patient", "name": [{"family": "Annan"}]})["id"]
    note = ward.api.make({"resourceType": "Observation", "status": "final", "code": {"text": f"Dold{ward.tag}"}, "subject": {"reference": f"Patient/{other}"}})  # fmt: skip
    raw = httpx.URL(mine.root, raw_path=b"/fhir" + trick.format(other, ward.patient).encode())
    answer = httpx.request("GET", raw, headers=mine.headers)
    assert answer.status_code in (200, 400, 404, 405), (trick, answer.text[:200])
    assert f"Dold{ward.tag}" not in answer.text
    assert note["id"] not in answer.text
    for record in logged(ward.journal, f"{ward.tag}h"):
        assert record.status == answer.status_code
        assert record.why or record.status == 200
        assert set(record.patients) <= {resource_key("Patient", other), resource_key("Patient", ward.patient)}
        if other in answer.text and record.status == 200:  # who the patient is may be seen: then it is logged as that
            assert resource_key("Patient", other) in record.patients


def test_query_tricks_name_no_other_patient(ward: Ward) -> None:
    """Breaks if a second parameter, a list, a chain or an address widens a search to a patient who is hidden."""
    mine = ward.at("u")
    other = ward.api.make({"resourceType": "Patient"})["id"]
    hidden = ward.api.make({"resourceType": "Observation", "status": "final", "code": {"text": "x"}, "subject": {"reference": f"Patient/{other}"}})["id"]  # fmt: skip
    for query in (
        f"patient={ward.patient}&patient={other}", f"patient={ward.patient},{other}", f"patient={ward.patient}&_id={hidden}",
        f"subject=Patient/{other}", f"subject={mine.root}/fhir/Patient/{other}", f"subject:Patient._id={other}",
        f"patient={ward.patient}%26patient={other}", f"_has:Provenance:target:_id=x&patient={other}",
    ):  # fmt: skip
        found = mine.get(f"/Observation?{query}")
        assert hidden not in [entry["resource"].get("id") for entry in found.json().get("entry", ())], query
        record = last(ward)
        assert (record.activity, record.type, record.status) == ("search", "Observation", found.status_code)
        assert resource_key("Patient", other) not in record.patients
    # A compartment of the one with conditions of the other.
    assert mine.ids(f"/Patient/{ward.patient}/Observation?subject=Patient/{other}") == []


def test_ids_that_are_guessed(ward: Ward) -> None:
    """Breaks if an id that is taken is answered otherwise than one that is not, or the log does not tell that it was hit, of whom,
    and which rule hid it: by any method, and inside a batch."""
    mine, absent = ward.at("u"), f"{ward.tag}zz"
    patient = resource_key("Patient", ward.patient)
    for unit, rule in (("v", "A3-choice"), ("w", "A4-consent")):
        taken = ward.note(unit)
        body = {"resourceType": "Observation", "status": "final", "code": {"text": "x"}, "subject": {"reference": f"Patient/{ward.patient}"}}  # fmt: skip
        for method, address, sent in (
            ("GET", "/Observation/{0}", None), ("GET", "/Observation/{0}/_history/1", None), ("GET", "/Observation/{0}/_history", None),
            ("PUT", "/Observation/{0}", body), ("PATCH", "/Observation/{0}", [{"op": "remove", "path": "/code"}]),
            ("POST", "/Observation/{0}/$sign", None), ("GET", "/Observation/{0}/$times", None),
        ):  # fmt: skip
            answers = []
            for id_ in (taken, absent):
                json = {**sent, "id": id_} if isinstance(sent, dict) else sent
                headers = {"Content-Type": "application/json-patch+json"} if method == "PATCH" else {}
                headers |= {"If-Match": 'W/"1"'} if "$" in address else {}
                answers.append(mine.request(method, address.format(id_), json=json, headers=headers))
                record = last(ward)
                assert record.status == answers[-1].status_code >= 400, (method, address, answers[-1].text)
                assert record.address == "/fhir" + address.format(id_)
                assert record.why
                assert (record.rule, record.patients) == ((rule, (patient,)) if id_ == taken else ("", ())), (
                    method,
                    address,
                )
                assert ("hidden by" in record.why) == (id_ == taken)
            the_same(*answers, apart=(taken, absent))
        assert mine.get(f"/Observation/{absent}").status_code == 404
        batch = mine.transact(ask("GET", f"Observation/{taken}"), ask("GET", f"Observation/{absent}"), ask("GET", f"Observation/{ward.note('u')}"), type_="batch")  # fmt: skip
        assert [entry["response"]["status"][:3] for entry in batch.json()["entry"]] == ["404", "404", "200"]
        *_, one, other, whole = logged(ward.journal, f"{ward.tag}h")
        hit, missed = sorted((one, other), key=lambda record: record.address != f"/fhir/Observation/{taken}")
        assert (hit.activity, hit.status, hit.rule, hit.patients) == ("read", 404, rule, (patient,))
        assert (missed.address, missed.status, missed.patients) == (f"/fhir/Observation/{absent}", 404, ())
        assert (whole.activity, whole.status, len(whole.seqs)) == ("transaction", 200, 1)
    outcome(httpx.get(f"{mine.root}/feed", headers=mine.headers), 403)
    assert (last(ward).activity, last(ward).status) == ("feed", 403)
    narrow = ward.at("u", "n", rights=frozenset({Right.READ}))
    outcome(narrow.delete(f"/Observation/{ward.note('u')}"), 403)
    assert last(ward, "n").rule == ""


def test_a_program_guesses_ids_outside_its_scopes(ward: Ward, program: Callable[..., Program]) -> None:
    """Breaks if what a program's scopes hide is told to it, or kept from the log."""
    lab = program("system/Observation.rs?category=laboratory")
    asking, taken, absent = lab.api(), ward.note("u"), f"{ward.tag}zz"
    the_same(asking.get(f"/Observation/{taken}"), asking.get(f"/Observation/{absent}"), apart=(taken, absent))
    hit, missed = logged(ward.journal, f"client:{lab.name}")[-2:]
    assert (hit.status, hit.rule, hit.patients) == (404, "scope", (resource_key("Patient", ward.patient),))
    assert (missed.status, missed.rule, missed.patients) == (404, "", ())


def test_an_assignment_that_ended_this_minute(journal: Instance, api: Api, tag: str, staffed: dict[str, Any]) -> None:
    """Breaks if who was taken out of a unit a minute ago reads on, or the log does not tell with which assignment."""
    token = older(journal, journal.session(**staffed), 61)
    api.make(role(tag, active=False))
    answer = httpx.get(f"{journal.url}/fhir/Patient/{tag}", headers={"Authorization": f"Bearer {token}"})
    assert outcome(answer, 401)[0]["diagnostics"].startswith("your assignment has ended")
    (record,) = logged(journal, address=f"/fhir/Patient/{tag}")
    assert (record.status, record.why) == (401, f"assignment role-{tag} ended")


def test_two_blocks_that_disagree(ward: Ward) -> None:
    """Breaks if the one that is lifted opens what the other covers, or the log does not tell which rule stood before it."""
    mine = ward.at("u", rights=CLINICIAN | {Right.LIFT})
    ward.api.make(agreement(ward, "v", deny="inner"))
    ward.api.make(agreement(ward, "v", deny="outer"))
    ended = ward.api.make(agreement(ward, "p", deny="inner"))
    ward.open(mine, "unit", "v")
    reason = {"resourceType": "Parameters", "parameter": [{"name": "reason", "valueString": "the patient says so"}]}
    assert ward.api.post(f"/Consent/{ended['id']}/$revoke", json=reason).status_code == 200
    answer = mine.get(f"/Observation/{ward.note('v')}")
    the_same(answer, mine.get(f"/Observation/{ward.tag}zz"), apart=(ward.note("v"), f"{ward.tag}zz"))
    record = logged(ward.journal, f"{ward.tag}h")[-2]
    assert (record.status, record.rule, record.patients) == (404, "A5-inner", (resource_key("Patient", ward.patient),))


def test_a_consent_that_is_withdrawn_while_a_page_is_open(ward: Ward) -> None:
    """Breaks if the next click still shows it, or the log does not tell that a withdrawn consent stood before it."""
    mine = ward.at("u")
    consent = mine.post("/Consent", json=agreement(ward, "u")).json()["id"]
    ward.open(mine, "provider", "q")
    assert ward.sees(mine, "w")
    reason = {"resourceType": "Parameters", "parameter": [{"name": "reason", "valueString": "the patient says so"}]}
    assert mine.post(f"/Consent/{consent}/$revoke", json=reason).status_code == 200
    assert (last(ward).activity, last(ward).reason) == ("revoke", "the patient says so")
    answer = mine.get(f"/Observation/{ward.note('w')}")
    the_same(answer, mine.get(f"/Observation/{ward.tag}zz"), apart=(ward.note("w"), f"{ward.tag}zz"))
    record = logged(ward.journal, f"{ward.tag}h")[-2]
    assert (record.status, record.rule) == (404, "A4-consent")


def test_a_token_in_an_address(ward: Ward) -> None:
    """Breaks if a token that stands in an address is taken, or stands in the log that tells of it."""
    mine = ward.at("u")
    token = mine.headers["authorization"].partition(" ")[2]
    for address in (f"/Patient?access_token={token}", f"/Patient?name={token}", f"/Patient/{token}"):
        issue = outcome(httpx.get(f"{mine.root}/fhir{address}", headers=mine.headers), 400)[0]
        assert issue["diagnostics"].startswith("a token never goes into an address")
    assert httpx.get(f"{mine.root}/login?next={token}").status_code == 400
    found = [record for record in logged(ward.journal) if record.why == "token in the address"][-4:]
    assert [record.status for record in found] == [400, 400, 400, 400]
    assert {record.activity for record in found} == {"token-in-address"}
    assert [record.address for record in found] == ["/fhir/Patient", "/fhir/Patient", "/fhir/Patient/…", "/login"]
    assert not any(token in str(record) for record in found)
