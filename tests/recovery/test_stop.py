"""A stop while a commit waits for a standby: nobody is told anything that is not so (S33)."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import httpx
import psycopg
import pytest
from bench.running import Vaka
from tests.conftest import Instance

from vaka.journal import cluster

pytestmark = pytest.mark.alone


@pytest.mark.slow
def test_a_commit_that_waits_for_its_standby_is_not_cancelled_by_a_stop(tmp_path: Path) -> None:
    """Fails if stopping the journal cancels a waiting COMMIT, or answers for it."""
    vaka = Vaka(tmp_path / "data")
    vaka.start()
    instance = Instance(vaka.url, vaka.data)
    headers = {"Authorization": f"Bearer {vaka.token('stop')}"}
    answers: list[int] = []
    try:
        with psycopg.connect(cluster.at(vaka.data / "pg").superuser_dsn, autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
            connection.execute("SELECT pg_reload_conf()")
            time.sleep(0.5)

        def post() -> None:
            try:
                url = f"{instance.url}/fhir/Patient"
                answers.append(
                    httpx.post(url, json={"resourceType": "Patient"}, headers=headers, timeout=120).status_code
                )
            except httpx.TransportError:
                answers.append(0)

        writer = threading.Thread(target=post)
        writer.start()
        time.sleep(2)
        assert not answers, "the write was answered though no standby had it"
    finally:
        vaka.stop()
    writer.join(10)
    assert answers and (answers[0] == 0 or answers[0] == 503), answers
    assert not instance.faults()
