"""``vaka load``, both ways in: straight into the journal's database, and over HTTP."""

from __future__ import annotations

import os
import signal
import subprocess
import time
import uuid
from pathlib import Path

import orjson
import psycopg
import pytest
from tests.api.loading import MAX_S, Way
from tests.client import Api, Resource
from tests.conftest import Instance

from vaka.journal import cluster


@pytest.fixture(params=["local", "remote"])
def way(request: pytest.FixtureRequest, journal: Instance, tmp_path: Path) -> Way:
    return Way(request.param, journal, tmp_path)


def tag() -> str:
    return uuid.uuid4().hex[:12]


def patient(id_: str, **members: object) -> Resource:
    return {"resourceType": "Patient", "id": id_, **members}


def owner_of(api: Api, id_: str) -> Resource:
    """The owner of the newest version of a resource, as the feed tells it."""
    found: Resource = {}
    with api.stream("GET", f"{api.root}/feed?wait=0") as feed:
        for line in feed.iter_lines():
            if f'"id":"{id_}"' in line:
                found = orjson.loads(line)["owner"]
    return found


def test_any_order_packed_and_again(api: Api, way: Way) -> None:
    """Breaks if what is referred to must stand first, if a packed file is not read, or if loading again makes versions."""
    t = tag()
    observation = {
        "resourceType": "Observation", "id": f"o-{t}", "status": "final", "code": {"text": "x"},
        "subject": {"reference": f"Patient/p-{t}"}, "encounter": {"reference": f"Encounter/e-{t}"},
    }  # fmt: skip
    encounter = {
        "resourceType": "Encounter", "id": f"e-{t}", "status": "finished", "class": {"code": "AMB"},
        "subject": {"reference": f"Patient/p-{t}"}, "serviceProvider": {"reference": f"Organization/u-{t}"},
    }  # fmt: skip
    unit = {"resourceType": "Organization", "id": f"u-{t}", "name": "U", "partOf": {"reference": f"Organization/c-{t}"}}
    provider = {"resourceType": "Organization", "id": f"c-{t}", "name": "C"}
    way.write("1.ndjson", [observation])
    way.write("2.ndjson.gz", [patient(f"p-{t}"), encounter])
    way.write("3.ndjson.zst", [unit, provider])
    loaded = way.load(way.folder)
    assert (loaded.code, loaded.counts["created"]) == (0, 5), loaded.errors
    owner = owner_of(api, f"o-{t}")
    assert (owner["unit"], owner["provider"]) == (f"u-{t}", f"c-{t}")
    again = way.load(way.folder)
    assert (again.code, again.counts["unchanged"], again.counts["created"], again.counts["updated"]) == (0, 5, 0, 0)
    assert api.get(f"/Observation/o-{t}").headers["etag"] == 'W/"1"'


def test_changed_content_is_a_new_version_and_bytes_stay(api: Api, way: Way) -> None:
    """Breaks if a change of form alone (72.5 and 72.50) is taken for none, or if bytes are written anew."""
    t = tag()
    start = b'{"resourceType":"Observation","id":"o-%b","status":"final","code":{"text":"x"},' % t.encode()
    for number, value in enumerate((b"72.5", b"72.50"), 1):
        path = way.write(f"{number}.ndjson", [start + b' "valueQuantity":{"value":%b}}' % value])
        assert way.load(path).counts["created" if number == 1 else "updated"] == 1
    answer = api.get(f"/Observation/o-{t}")
    assert b' "valueQuantity":{"value":72.50}}' in answer.content
    assert answer.headers["etag"] == 'W/"2"'


def test_the_later_of_two_wins(api: Api, way: Way) -> None:
    """Breaks if of two versions of one resource in the input the first one can end up as the current one."""
    t = tag()
    several = [
        patient(f"p-{t}-{n}", active=later, multipleBirthInteger=n) for later in (False, True) for n in range(300)
    ]
    loaded = way.load(way.write("a.ndjson", several))
    assert (loaded.counts["created"], loaded.counts["updated"], loaded.code) == (300, 300, 0), loaded.errors
    for n in (0, 150, 299):
        answer = api.get(f"/Patient/p-{t}-{n}")
        assert (answer.json()["active"], answer.headers["etag"]) == (True, 'W/"2"')


def test_refusals_name_file_line_entry_and_path(api: Api, way: Way) -> None:
    """Breaks if what is refused is not told, or takes with it what is not at fault."""
    t = tag()
    lines = way.write(
        "lines.ndjson",
        [patient(f"a-{t}"), patient(f"b-{t}", gender="femail"), b'{"resourceType":', patient(f"c-{t}"), {"id": "x"}],
    )
    entry = {"resource": patient(f"d-{t}", birthDate="tomorrow"), "request": {"method": "PUT", "url": f"Patient/d-{t}"}}
    good = {"resource": patient(f"e-{t}"), "request": {"method": "PUT", "url": f"Patient/e-{t}"}}
    bundle = way.bundle("bundle.json", "batch", good, entry)
    loaded = way.load(lines, bundle)
    assert loaded.code == 65
    assert (loaded.counts["created"], loaded.counts["refused"]) == (3, 4)
    told = {(Path(r["file"]).name, r["line"], r["entry"], r["id"], r["issues"][0]["path"]) for r in loaded.refused}
    assert ("lines.ndjson", 2, None, f"b-{t}", "Patient.gender") in told
    assert ("bundle.json", None, 1, f"d-{t}", "Patient.birthDate") in told
    assert {(name, line) for name, line, *_ in told} >= {("lines.ndjson", 3), ("lines.ndjson", 5)}
    for id_, status in ((f"a-{t}", 200), (f"b-{t}", 404), (f"c-{t}", 200), (f"d-{t}", 404), (f"e-{t}", 200)):
        assert api.get(f"/Patient/{id_}").status_code == status


def test_one_alone_that_is_refused_has_its_own_path(way: Way) -> None:
    """Breaks if what is told of a single resource speaks of the bundle that it was sent in."""
    loaded = way.load(way.write("one.ndjson", [patient(f"a-{tag()}", gender="femail")]))
    assert [issue["path"] for issue in loaded.refused[0]["issues"]] == ["Patient.gender"]


def transaction(t: str, *, bad: bool = False) -> list[Resource]:
    urn = f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, t)}"
    observation = {
        "resourceType": "Observation", "status": "wrong" if bad else "final", "code": {"text": t},
        "subject": {"reference": urn}, "identifier": [{"value": f"o-{t}"}],
    }  # fmt: skip
    person = {"resourceType": "Patient", "identifier": [{"system": "urn:t", "value": t}]}
    return [
        {"resource": observation, "request": {"method": "POST", "url": "Observation"}},
        {"fullUrl": urn, "resource": person, "request": {"method": "POST", "url": "Patient"}},
    ]


def test_a_transaction_is_done_once_and_whole(api: Api, way: Way) -> None:
    """Breaks if its references are not resolved, if part of a refused one stays, or if loading it again doubles it."""
    t, bad = tag(), tag()
    way.bundle("a.json", "transaction", *transaction(t))
    way.bundle("b.json", "transaction", *transaction(bad, bad=True))
    for wanted in ("first", "again"):
        loaded = way.load(way.folder)
        assert (loaded.code, loaded.counts["refused"]) == (65, 2), wanted
        assert loaded.refused[0]["issues"][0]["path"] == "Bundle.entry[0].resource.status"
        ids = api.ids(f"/Patient?identifier=urn:t|{t}")
        assert len(ids) == 1, wanted
        assert len(api.ids(f"/Observation?subject=Patient/{ids[0]}&identifier=o-{t}")) == 1, wanted
    assert api.ids(f"/Patient?identifier=urn:t|{bad}") == []


def test_what_was_changed_since_stays_changed(api: Api, journal: Instance, tmp_path: Path) -> None:
    """Breaks if loading again takes back what was corrected in, or deleted from, what an earlier load had created."""
    way = Way("local", journal, tmp_path)
    t = tag()
    nameless = {"resourceType": "Patient", "identifier": [{"system": "urn:n", "value": t}]}
    way.write("n.ndjson", [nameless, nameless])
    way.bundle("t.json", "transaction", *transaction(t))
    assert way.load(tmp_path).counts["created"] == 4
    changed, deleted = api.ids(f"/Patient?identifier=urn:n|{t}")
    person = api.ids(f"/Patient?identifier=urn:t|{t}")[0]
    for id_ in (changed, person):
        assert api.put(f"/Patient/{id_}", json=patient(id_, active=True)).status_code == 200
    assert api.delete(f"/Patient/{deleted}").status_code == 204
    assert way.load(tmp_path).counts["unchanged"] == 4
    assert api.get(f"/Patient/{changed}").json()["active"] is True
    assert api.get(f"/Patient/{person}").json()["active"] is True
    assert api.get(f"/Patient/{deleted}").status_code == 410


def test_conditions_wait_for_what_comes_later(api: Api, way: Way) -> None:
    """Breaks if a conditional reference to what a later file brings is refused, or ifNoneExist makes a second one."""
    t = tag()
    doctor = {"resourceType": "Practitioner", "identifier": [{"system": "urn:hsa", "value": t}]}
    visit = {
        "resourceType": "Encounter", "status": "finished", "class": {"code": "AMB"}, "identifier": [{"value": f"v-{t}"}],
        "participant": [{"individual": {"reference": f"Practitioner?identifier=urn:hsa|{t}"}}],
    }  # fmt: skip
    first = way.bundle(
        "1.json", "transaction",
        {"resource": visit, "request": {"method": "POST", "url": "Encounter", "ifNoneExist": f"identifier=v-{t}"}},
    )  # fmt: skip
    request = {"method": "POST", "url": "Practitioner", "ifNoneExist": f"identifier=urn:hsa|{t}"}
    second = way.bundle("2.json", "transaction", {"resource": doctor, "request": request})
    third = way.bundle("3.json", "transaction", {"resource": doctor | {"active": True}, "request": request})
    alone = way.load(first)
    assert alone.code == 65
    assert f"identifier=urn:hsa|{t}" in alone.refused[0]["issues"][0]["message"]
    for wanted in ("first", "again"):
        loaded = way.load(first, second, third)
        assert (loaded.code, loaded.counts["refused"]) == (0, 0), (wanted, loaded.refused)
        doctors = api.ids(f"/Practitioner?identifier=urn:hsa|{t}")
        assert len(doctors) == 1, wanted
        assert len(api.ids(f"/Encounter?identifier=v-{t}&participant=Practitioner/{doctors[0]}")) == 1, wanted


def test_conditions_mean_what_their_own_bundle_makes(api: Api, way: Way) -> None:
    """Breaks if a transaction that refers by condition to its own entries is refused, or leads to another than it made."""
    t = tag()
    whom = patient(f"p-{t}", identifier=[{"value": t}])
    about: Resource = {
        "resourceType": "Flag", "status": "active", "code": {"text": "x"}, "identifier": [{"value": t}],
        "subject": {"reference": f"Patient?identifier={t}"},
    }  # fmt: skip
    asked = {"method": "POST", "url": "Flag"}
    put = {"method": "PUT", "url": f"Patient/p-{t}"}
    way.bundle("1.json", "transaction", {"resource": about, "request": asked}, {"resource": whom, "request": put})
    for _ in range(2):
        loaded = way.load(way.folder)
        assert (loaded.code, loaded.counts["refused"]) == (0, 0), loaded.refused
        assert len(api.ids(f"/Flag?identifier={t}&patient=p-{t}")) == 1


def test_a_collection_resolves_its_own_references(api: Api, way: Way) -> None:
    """Breaks if resources of a collection go on pointing at addresses that only meant something inside it."""
    t = tag()
    urn = f"urn:uuid:{uuid.uuid4()}"
    about: Resource = {"resourceType": "Flag", "status": "active", "code": {"text": t}, "subject": {"reference": urn}}
    whom: Resource = {"resourceType": "Patient", "id": f"p-{t}"}
    way.bundle("c.json", "collection", {"resource": about | {"id": f"f-{t}"}}, {"fullUrl": urn, "resource": whom})
    assert way.load(way.folder).counts["created"] == 2
    assert api.get(f"/Flag/f-{t}").json()["subject"] == {"reference": f"Patient/p-{t}"}


def test_a_damaged_file_does_not_stop_the_others(api: Api, way: Way) -> None:
    """Breaks if a file that is cut short is loaded in silence, or ends the load."""
    t = tag()
    whole = way.write("a.ndjson.gz", [patient(f"p-{t}-{n}", language=uuid.uuid4().hex) for n in range(2_000)])
    whole.write_bytes(whole.read_bytes()[:-200])
    way.write("b.ndjson", [patient(f"q-{t}")])
    loaded = way.load(way.folder)
    assert loaded.code == 65
    assert any("cut short" in one["issues"][0]["message"] for one in loaded.refused)
    assert api.get(f"/Patient/q-{t}").status_code == 200


BAD: list[tuple[str, bytes]] = [
    ("unknown element", b'{"resourceType":"Patient","id":"ID","nmae":[]}'),
    ("doubled key", b'{"resourceType":"Patient","id":"ID","active":true,"active":false}'),
    ("bad id", b'{"resourceType":"Patient","id":"ID_x"}'),
    ("unknown type", b'{"resourceType":"Patinet","id":"ID"}'),
    ("control character", b'{"resourceType":"Patient","id":"ID","language":"a\\u0000"}'),
    ("lone surrogate", b'{"resourceType":"Patient","id":"ID","language":"\\ud800"}'),
    ("required binding", b'{"resourceType":"Patient","id":"ID","gender":"femail"}'),
    ("wrong target", b'{"resourceType":"Observation","id":"ID","status":"final","code":{"text":"x"},"subject":{"reference":"Observation/1"}}'),
    ("conditional reference", b'{"resourceType":"Flag","id":"ID","status":"active","code":{"text":"x"},"subject":{"reference":"Patient?name=nobody-is-called-so"}}'),
    ("too deep", b'{"resourceType":"Patient","id":"ID","extension":' + b'[{"url":"u","extension":' * 70 + b"[]" + b"}]" * 70 + b"}"),
    ("rule", b'{"resourceType":"Observation","id":"ID","status":"final","code":{"text":"x"},"valueString":"a","dataAbsentReason":{"text":"b"}}'),
]  # fmt: skip


def test_nothing_gets_in_that_http_refuses(api: Api, way: Way) -> None:
    """Breaks if the fast way in is a way around validation."""
    t = tag()
    bodies = [body.replace(b"ID", f"{t}-{n}".encode(), 1) for n, (_, body) in enumerate(BAD)]
    for (what, _), body in zip(BAD, bodies, strict=True):
        type_ = "Patient" if b"Pati" in body[:30] else body.split(b'"', 5)[3].decode()
        id_ = body.split(b'"id":"')[1].split(b'"')[0].decode()
        assert api.put(f"/{type_}/{id_}", content=body).status_code in (400, 422), what
    loaded = way.load(way.write("bad.ndjson", bodies))
    assert (loaded.code, loaded.counts["refused"], loaded.counts["created"]) == (65, len(BAD), 0), loaded.refused
    assert [r["line"] for r in sorted(loaded.refused, key=lambda r: r["line"])] == list(range(1, len(BAD) + 1))


def test_a_stopped_load_goes_on_where_it_was(api: Api, journal: Instance, tmp_path: Path) -> None:
    """Breaks if Ctrl-C leaves half a transaction or a wrong exit code, or if the same command does not finish the job."""
    way = Way("local", journal, tmp_path)
    t, count = tag(), 12_000
    path = way.write(
        "p.ndjson.zst", [patient(f"{t}-{n}", identifier=[{"system": "urn:s", "value": t}]) for n in range(count)]
    )
    running = subprocess.Popen(way.command(path), env=way.env(), stdout=subprocess.PIPE)
    deadline = time.monotonic() + MAX_S
    while api.get(f"/Patient/{t}-0").status_code != 200 and time.monotonic() < deadline:
        time.sleep(0.02)
    running.send_signal(signal.SIGINT)
    out, _ = running.communicate(timeout=MAX_S)
    assert running.returncode == 130
    stopped = orjson.loads(out)
    assert stopped["stopped"] is True
    assert 0 < stopped["created"] < count
    assert api.bundle(f"/Patient?identifier=urn:s|{t}&_summary=count")["total"] == stopped["created"]
    again = way.load(path)
    assert (again.code, again.counts["unchanged"]) == (0, stopped["created"])
    assert again.counts["created"] == count - stopped["created"]


def test_a_second_ctrl_c_ends_at_once(journal: Instance, way: Way) -> None:
    """Breaks if somebody who wants out has to wait for a journal that does not answer."""
    path = way.write("p.ndjson", [patient(f"{tag()}-{n}") for n in range(30_000)])
    with psycopg.connect(cluster.at(journal.data / "pg").dsn()) as held:
        held.execute("LOCK TABLE resource IN SHARE MODE")  # nothing can be written, for as long as this is open
        running = subprocess.Popen(way.command(path), env=way.env(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        time.sleep(4)
        running.send_signal(signal.SIGINT)
        time.sleep(1)
        assert running.poll() is None, "what has begun is being finished"
        running.send_signal(signal.SIGINT)
        _, said = running.communicate(timeout=5)
    assert running.returncode == 130
    assert b"Traceback" not in said, said.decode()


def test_no_server_is_told_as_such(journal: Instance, tmp_path: Path) -> None:
    """Breaks if a wrong folder, token or path ends in a stack trace instead of an exit code and a word of help."""
    way = Way("local", Instance("", tmp_path), tmp_path)
    path = way.write("p.ndjson", [patient("p")])
    nowhere = way.load(path)
    assert nowhere.code == 78
    assert "vaka up" in nowhere.errors
    missing = way.load(tmp_path / "none.ndjson")
    assert missing.code == 66
    for elsewhere in (journal.url, journal.url + "/auth"):
        lost = Way("remote", Instance(elsewhere.removesuffix("/fhir"), journal.data), tmp_path)
        command = [one.replace("/fhir", "") for one in lost.command(path)]
        told = subprocess.run(command, env=lost.env(), capture_output=True, timeout=MAX_S, check=False)
        assert told.returncode == 78
        assert b"no FHIR server at" in told.stderr
        assert b"/fhir" in told.stderr
    command = [*Way("remote", journal, tmp_path).command(path)]
    wrong = subprocess.run(
        command, env={**os.environ, "VAKA_TOKEN": "x"}, capture_output=True, timeout=MAX_S, check=False
    )
    assert wrong.returncode == 77
    assert b"token" in wrong.stderr
