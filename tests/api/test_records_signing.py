"""Signing, countersigning, correcting, locking (J1) over HTTP; access/law.py has the rules."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from tests import commands, feeding
from tests.api.records import Ward, acts, marks, operate, parameters
from tests.client import Api, fresh, outcome, put
from tests.conftest import Instance

from vaka import config
from vaka.fhir.keys import resource_key


@pytest.fixture(scope="module")
def ward(api: Api) -> Ward:
    return Ward(api)


def test_a_signature_names_version_person_and_time(api: Api, ward: Ward) -> None:
    """Would break: a signature that does not say what was signed, by whom and when."""
    note = ward.note()
    answer = operate(api, note, "sign", reason="Genomläst")
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert made["target"] == [{"reference": f"Composition/{note['id']}/_history/1"}]
    assert made["activity"]["coding"][0] == {"system": "urn:x-vaka:act", "code": "sign"}
    assert made["agent"][0]["who"]["identifier"] == {"system": "urn:x-vaka:system", "value": "tests"}
    assert made["reason"] == [{"text": "Genomläst"}]
    assert made["recorded"] >= note["meta"]["lastUpdated"]
    assert api.get(f"/Composition/{note['id']}").json()["meta"]["versionId"] == "1", (
        "signing changes nothing of the entry"
    )
    assert [one["id"] for one in marks(api, f"Composition/{note['id']}")] == [made["id"]]


def test_signing_twice_is_signing_once_and_by_two_is_two(api: Api, client: Callable[..., Api], ward: Ward) -> None:
    """Would break: an answer that was lost makes a second signature, or a second person's is taken for the first's."""
    note = ward.note()
    first, again = operate(api, note, "sign"), operate(api, note, "sign")
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert operate(client("another"), note, "sign").status_code == 201
    assert acts(api, f"Composition/{note['id']}") == ["sign", "sign"]


def test_only_what_was_seen_is_signed(api: Api, ward: Ward) -> None:
    """Would break: somebody signs words that were changed under the eyes."""
    note = ward.note()
    api.make({**note, "title": "Changed meanwhile"})
    outcome(operate(api, note, "sign"), 412)
    outcome(operate(api, f"Composition/{note['id']}", "sign", version__valueString="1"), 409)
    issue = outcome(api.post(f"/Composition/{note['id']}/$sign"), 400)[0]
    assert "If-Match" in issue["diagnostics"]
    outcome(operate(api, f"Composition/{note['id']}", "sign", version="9-e9"), 412)
    assert operate(api, f"Composition/{note['id']}", "sign", version__valueString="2").status_code == 201


def test_many_signers_and_a_changer_at_once(api: Api, client: Callable[..., Api], ward: Ward) -> None:
    """Would break: a signature on a version that was replaced at that moment, or two facts of one person."""
    for _ in range(5):
        note = ward.note()
        signers = [client(f"signer-{n % 3}") for n in range(6)]
        with ThreadPoolExecutor(8) as pool:
            signing = [pool.submit(operate, one, note, "sign") for one in signers]
            changing = pool.submit(api.put, f"/Composition/{note['id']}", json={**note, "title": "Other"})
            codes = [one.result().status_code for one in signing]
            changed = changing.result().status_code
        assert set(codes) <= {200, 201, 412}, codes
        assert changed in (200, 409)
        signed = [code for code in codes if code in (200, 201)]
        if changed == 200:  # it came first: nobody has signed, since nobody has seen version 2
            assert not signed
        else:
            assert codes.count(201) == 3
        assert len(acts(api, f"Composition/{note['id']}")) == codes.count(201)


@pytest.mark.parametrize("how", ["put", "patch", "delete", "transaction", "batch", "conditional"])
def test_a_signed_entry_changes_in_no_plain_way(api: Api, ward: Ward, how: str) -> None:
    """Would break: a signature over words that its signer never saw (PDL 3:14)."""
    tag = fresh()
    note = ward.note(identifier={"system": "urn:x", "value": tag})
    assert operate(api, note, "sign").status_code == 201
    address, changed = f"/Composition/{note['id']}", {**note, "title": "Other"}
    match how:
        case "put":
            answer = api.put(address, json=changed)
        case "patch":
            body = [{"op": "replace", "path": "/title", "value": "Other"}]
            answer = api.patch(address, json=body, headers={"Content-Type": "application/json-patch+json"})
        case "delete":
            answer = api.delete(address)
        case "conditional":
            answer = api.put(f"/Composition?identifier=urn:x|{tag}", json=changed)
        case _:
            answer = api.transact(put(changed), type_=how)
            if how == "batch":
                assert answer.json()["entry"][0]["response"]["status"].startswith("409")
    if how != "batch":
        issue = outcome(answer, 409)[0]
        assert "$correct" in issue["diagnostics"]
    assert api.get(address).json()["title"] == "Anteckning"
    assert len(api.bundle(f"{address}/_history")["entry"]) == 1


def test_a_correction_keeps_the_original_with_its_signature(api: Api, ward: Ward) -> None:
    """Would break: what was corrected, why and by whom cannot be seen any more, or the correction counts as signed."""
    note = ward.note()
    operate(api, note, "sign")
    changed = {**note, "title": "Rättad", "extension": [{"url": "urn:x:dose", "valueDecimal": 72.50}]}
    text = api.build_request("POST", "/", json=parameters(reason="Fel dos", resource__resource=changed)).content
    headers = {"If-Match": 'W/"1"', "Content-Type": "application/fhir+json"}
    outcome(
        api.post(f"/Composition/{note['id']}/$correct", json=parameters(resource__resource=changed), headers=headers),
        400,
    )
    outcome(operate(api, note, "correct", reason="x"), 400)
    outcome(operate(api, note, "correct", reason="  ", resource__resource=changed), 400)
    outcome(operate(api, note, "correct", version="2", reason="x", resource__resource=changed), 412)
    answer = api.post(f"/Composition/{note['id']}/$correct", content=text.replace(b"72.5", b"72.50"), headers=headers)
    assert answer.status_code == 200, answer.text
    assert (answer.json()["title"], answer.json()["meta"]["versionId"]) == ("Rättad", "2")
    assert b"72.50" in answer.content
    assert api.get(f"/Composition/{note['id']}/_history/1").json()["title"] == "Anteckning"
    found = marks(api, f"Composition/{note['id']}")
    assert acts(api, f"Composition/{note['id']}") == ["sign", "correct"]
    assert found[1]["entity"] == [{"role": "revision", "what": {"reference": f"Composition/{note['id']}/_history/1"}}]
    assert found[1]["reason"] == [{"text": "Fel dos"}]
    assert api.put(f"/Composition/{note['id']}", json=answer.json()).status_code == 200, (
        "unsigned, it changes as before"
    )


def test_two_correct_at_once_and_one_wins(api: Api, ward: Ward) -> None:
    """Would break: one of two corrections of one version is lost unseen."""
    note = ward.note()
    operate(api, note, "sign")
    with ThreadPoolExecutor(6) as pool:
        codes = list(
            pool.map(
                lambda n: (
                    operate(api, note, "correct", reason="r", resource__resource={**note, "title": f"T{n}"}).status_code
                ),
                range(6),
            )
        )
    assert sorted(codes) == [200, 412, 412, 412, 412, 412]


def test_a_correction_moves_nothing_and_annuls_nothing(api: Api, ward: Ward) -> None:
    """Would break: an entry leaves its patient by a correction (S5)."""
    note, other = ward.note(), ward.admit()
    moved = {**note, "subject": {"reference": f"Patient/{other}"}}
    assert (
        "$misfiled"
        in outcome(operate(api, note, "correct", reason="r", resource__resource=moved), 409)[0]["diagnostics"]
    )
    in_error = {**note, "status": "entered-in-error"}
    assert (
        "$annul"
        in outcome(operate(api, note, "correct", reason="r", resource__resource=in_error), 409)[0]["diagnostics"]
    )
    outcome(operate(api, note, "correct", reason="r", resource__resource={**note, "id": "other"}), 400)
    outcome(operate(api, note, "correct", reason="r", resource__resource={**note, "status": "nonsense"}), 422)


def test_countersigning_is_another_persons_after_the_first(api: Api, client: Callable[..., Api], ward: Ward) -> None:
    """Would break: one person alone both signs and countersigns."""
    note = ward.note()
    outcome(operate(api, note, "countersign"), 409)
    operate(api, note, "sign")
    outcome(operate(api, note, "countersign"), 409)
    assert operate(client("senior"), note, "countersign").status_code == 201
    assert acts(api, f"Composition/{note['id']}") == ["sign", "countersign"]


def test_a_locked_entry_is_annulled_or_redacted_only(api: Api, ward: Ward) -> None:
    """Would break: what was locked changes, or what is wrong in it can never be said."""
    note = ward.note()
    outcome(operate(api, note, "lock"), 409)
    operate(api, note, "sign")
    assert operate(api, note, "lock").status_code == 201
    assert operate(api, note, "lock").status_code == 200
    outcome(operate(api, note, "correct", reason="r", resource__resource={**note, "title": "x"}), 409)
    outcome(api.delete(f"/Composition/{note['id']}"), 409)
    outcome(operate(api, note, "annul"), 400)
    annulled = operate(api, note, "annul", reason="Dubbelt förd")
    assert annulled.status_code == 200
    assert annulled.json()["status"] == "entered-in-error"
    outcome(operate(api, annulled.json(), "annul", reason="igen"), 409)
    outcome(operate(api, annulled.json(), "sign"), 409)
    outcome(api.put(f"/Composition/{note['id']}", json=note), 409)
    assert acts(api, f"Composition/{note['id']}") == ["sign", "lock", "annul"]


def test_a_signed_entry_locks_by_itself(api: Api, journal: Instance, ward: Ward) -> None:
    """Would break: what was signed long ago is still corrected as if it were of yesterday (J1)."""
    note = ward.note()
    operate(api, note, "sign")
    key, days = resource_key("Composition", note["id"]), config.LOCK_AFTER_SIGNING_DAYS
    with psycopg.connect(feeding.dsn(journal.data)) as connection:
        move = "UPDATE entry SET signed_us = signed_us - %s::bigint * 86400000000 WHERE rkey = %s"
        connection.execute(move, (days - 1, key))
        connection.commit()
        corrected = operate(api, note, "correct", reason="r", resource__resource={**note, "title": "x"})
        assert corrected.status_code == 200
        operate(api, corrected.json(), "sign")
        connection.execute(move, (days, key))
        connection.commit()
    issue = outcome(operate(api, corrected.json(), "correct", reason="r", resource__resource=note), 409)[0]
    assert "locked" in issue["diagnostics"]
    assert operate(api, corrected.json(), "annul", reason="Fel").status_code == 200


def test_in_a_batch_and_not_in_a_transaction(api: Api, ward: Ward) -> None:
    """Would break: a program that sends bundles cannot sign; or an operation is half of a transaction."""
    note = ward.note()
    body = parameters(reason="x")
    entry = {
        "resource": body,
        "request": {"method": "POST", "url": f"Composition/{note['id']}/$sign", "ifMatch": 'W/"1"'},
    }
    outcome(api.transact(entry), 405)
    answer = api.transact(entry, type_="batch")
    assert answer.json()["entry"][0]["response"]["status"] == "201 Created", answer.text
    assert acts(api, f"Composition/{note['id']}") == ["sign"]


def test_what_is_loaded_owes_nothing_and_changes_nothing_signed(
    api: Api, journal: Instance, ward: Ward, tmp_path: Path
) -> None:
    """Would break: a region's history stands on today's lists; or a load writes over what was signed here."""
    note, result = ward.note(), ward.result()
    operate(api, note, "sign")
    operate(api, result, "acknowledge", step__valueCode="acted-on")
    old = {**note, "id": fresh(), "title": "Från förr"}
    other = {**result, "id": fresh()}
    file = tmp_path / "old.ndjson"
    lines = [{**note, "title": "Other"}, old, {**result, "status": "corrected"}, other]
    file.write_text("\n".join(json.dumps(line) for line in lines))
    done = commands.run("load", file, "--data", journal.data, "--json")
    assert done.returncode == 65, done.stderr
    assert json.loads(done.stdout)["refused"] == 1
    assert api.get(f"/Composition/{note['id']}").json()["title"] == "Anteckning"
    assert api.ids(f"/$unsigned?unit={ward.unit}&_count=1000").count(old["id"]) == 0
    assert result["id"] in api.ids(f"/$unacknowledged?unit={ward.unit}"), "what is followed here is open again"
    assert other["id"] not in api.ids(f"/$unacknowledged?unit={ward.unit}")
    seen = {one["name"]: one for one in api.get(f"/Composition/{old['id']}/$visibility").json()["parameter"]}
    assert seen["visible"]["valueBoolean"] is True
    assert operate(api, old, "sign", version="1").status_code == 201


def test_results_and_the_directory_are_not_signed(api: Api, ward: Ward) -> None:
    """Would break: a signed result that its laboratory could not correct any more."""
    assert "$acknowledge" in outcome(operate(api, ward.result(), "sign"), 405)[0]["diagnostics"]
    outcome(operate(api, f"Organization/{ward.unit}", "sign", version="1"), 405)
    outcome(operate(api, f"Composition/{fresh()}", "sign", version="1"), 404)
    outcome(operate(api, "Nonsense/1", "sign", version="1"), 404)
    gone = ward.note()
    api.delete(f"/Composition/{gone['id']}")
    outcome(operate(api, gone, "sign"), 410)


def test_marks_are_made_by_operations_alone(api: Api, ward: Ward) -> None:
    """Would break: a Provenance that says that a doctor has signed, written by anybody."""
    note = ward.note()
    made = operate(api, note, "sign").json()
    forged = {**made, "agent": [{"who": {"reference": "Practitioner/doctor"}}]}
    for answer in (
        api.post("/Provenance", json={k: v for k, v in forged.items() if k not in ("id", "meta")}),
        api.put("/Provenance/forged", json={**forged, "id": "forged"}),
        api.put(f"/Provenance/{made['id']}", json=forged),
        api.put(f"/Provenance/{made['id']}", json={**made, "activity": {"text": "innocent"}}),
        api.delete(f"/Provenance/{made['id']}"),
        api.transact(put({**forged, "id": "forged"})),
    ):
        outcome(answer, 409)
    plain = {**forged, "id": fresh(), "activity": {"text": "transcribed"}}
    assert api.put(f"/Provenance/{plain['id']}", json=plain).status_code == 201, "other Provenances are free"


def test_an_idempotency_key_signs_once(api: Api, ward: Ward) -> None:
    """Would break: an operation that was sent twice is done twice, or a key stands for two."""
    note, key = ward.note(), fresh()
    first = operate(api, note, "sign", reason="x", key=key)
    again = operate(api, note, "sign", reason="x", key=key)
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.content == again.content
    outcome(operate(api, note, "sign", reason="y", key=key), 422)
    fixed = {**note, "title": "Rättad"}
    one, two = (operate(api, note, "correct", key=key + "c", reason="r", resource__resource=fixed) for _ in range(2))
    assert (one.status_code, one.content) == (two.status_code, two.content)
    assert api.get(f"/Composition/{note['id']}").json()["meta"]["versionId"] == "2"


@pytest.mark.parametrize(
    "body",
    [
        b"{", b"[]", b'{"resourceType":"Patient"}', b'{"resourceType":"Parameters","parameter":[{"name":"nonsense","valueString":"x"}]}',
        b'{"resourceType":"Parameters","parameter":[{"name":"reason","valueString":"a"},{"name":"reason","valueString":"b"}]}',
        b'{"resourceType":"Parameters","parameter":[{"name":"reason"}]}', b'{"resourceType":"Parameters","parameter":[7]}',
        b'{"resourceType":"Parameters","parameter":[{"name":"reason","valueInteger":7}]}',
        b'{"resourceType":"Parameters","parameter":[{"name":"reason","valueString":"' + b"x" * 2_001 + b'"}]}',
    ],
)  # fmt: skip
def test_bad_parameters_are_told(api: Api, ward: Ward, body: bytes) -> None:
    """Would break: an operation that guesses what was meant."""
    note = ward.note()
    headers = {"If-Match": 'W/"1"', "Content-Type": "application/fhir+json"}
    outcome(api.post(f"/Composition/{note['id']}/$sign", content=body, headers=headers), 400)
    assert acts(api, f"Composition/{note['id']}") == []
