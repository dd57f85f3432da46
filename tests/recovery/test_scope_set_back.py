"""A journal that was set back to an earlier time, and a copy of one unit's patients: it gives back what it held, and no more."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from bench.running import FULL, free_port
from tests.client import Api
from tests.conftest import Instance
from tests.copy.following import Following, caught_up, following
from tests.recovery.running import up, vaka, wait_until
from tests.recovery.test_scope import Unit, elsewhere

from vaka.copy import engine, files
from vaka.copy.apply import codec
from vaka.copy.reserve.opening import open_reserve
from vaka.copy.scope import Scope

SCOPES = frozenset({"feed", "feed-private", "reserve"})


def held(copy: Following) -> dict[str, bytes | None]:
    """What lives in its record, by id."""
    number = copy.folder.current()
    assert number is not None
    connection = engine.reader(copy.folder.record(number), files.key(copy.folder))
    packer = codec(connection)
    found = {
        str(id_): packer.decompress(dictionary, body)
        for id_, dictionary, body in connection.execute(
            "SELECT id, dictionary, body FROM resource WHERE deleted = 0 AND body IS NOT NULL"
        )
    }
    connection.close()
    return dict(found)


def here(copy: Following, api: Api) -> None:
    place = api.post("/Basic", json={"resourceType": "Basic", "code": {"text": "x"}}).headers["vaka-cursor"]
    copy.until(lambda _: copy.ask(wait=place, ms=10_000) == {"reached": True})
    copy.until(lambda s: caught_up(s) and s["takingIn"] == 0)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_copy_of_one_unit_and_a_journal_that_was_set_back(tmp_path: Path) -> None:
    """Broken: after a restore a site's copy shows what the journal does not have, loses what it held, or takes in who is not its."""
    data, port = tmp_path / "data", free_port()
    journal = Instance(f"http://127.0.0.1:{port}", data)
    with up(data, port=port):
        api = Api(journal.url, journal.token("tests", FULL))
        wait_until(lambda: list((data / "backup").glob("*/base/[0-9]*/vaka.json")), "a base backup that is whole")
        ours, theirs = Unit(api), Unit(api)
        out = elsewhere(theirs, "Bortglömd")
        kept = ours.note(ours.patient, title="Före")
        time.sleep(0.1)
        between = datetime.now(UTC)
        time.sleep(0.1)
        with following(tmp_path / "copy", journal.url, journal.token("south", SCOPES), start=False) as copy:
            copy.folder.establish(journal.url, scope=Scope((ours.hsa,), (ours.unit,)))
            copy.start()
            here(copy, api)
            changed = api.make({**kept, "title": "Efter"})
            new = ours.note(ours.patient, title="Ny")
            came = elsewhere(theirs, "Kommer")
            ours.visit(came)
            lost = theirs.note(out, title="Fanns bara i journalen")
            here(copy, api)
            before = held(copy)
            assert {ours.patient, came, changed["id"], new["id"]} <= before.keys()
            assert out not in before
            copy.kill()
            api.close()
    assert vaka("restore", "--to", between.isoformat(), "--data", data).returncode == 0
    with up(data, port=port):
        api = Api(journal.url, journal.token("tests", FULL))
        assert [api.get(f"/{one}").status_code for one in (f"Patient/{came}", f"Composition/{new['id']}")] == [404, 404]
        copy = Following(copy.folder)
        try:
            copy.start()
            copy.until(lambda s: s["distrusting"] == 0 and s["lost"] == 0 and caught_up(s))
            store = open_reserve(copy.folder)
            wait_until(lambda: store.counts() and not store.open(), "all is given back")
            store.close()
            here(copy, api)
            assert api.get(f"/Composition/{new['id']}").json()["title"] == "Ny"
            assert api.get(f"/Composition/{kept['id']}").json()["title"] == "Efter"
            assert api.get(f"/Patient/{came}").status_code == 200
            assert api.get(f"/Composition/{lost['id']}").status_code == 404, "nobody here held it"
            after = held(copy)
            assert before.keys() <= after.keys(), "nothing of what it held is gone"
            assert out not in after
            for type_, id_ in (("Patient", ours.patient), ("Patient", came), ("Composition", kept["id"])):
                assert after[id_] == api.get(f"/{type_}/{id_}").content, "it is what the journal has now"
            late = ours.visit(out)  # who comes in by the new epoch comes in whole
            here(copy, api)
            assert {out, late["id"]} <= held(copy).keys()
        finally:
            copy.kill()
            api.close()
