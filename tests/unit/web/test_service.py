"""The way to an identity service, without one."""

from __future__ import annotations

import time

from vaka.access.filter import AccessFilter
from vaka.api.http import Request
from vaka.api.identity import Service
from vaka.web.ways import service


def test_asking_a_service_does_not_stop_the_others() -> None:
    """Would break: whoever calls the page of a service's login ten times a second, without being anybody, stops the journal."""
    request = Request(
        "GET", ("login", "service", "0"), [], {}, "https://x.example/fhir", b"", AccessFilter("anonymous")
    )
    one = Service("Test", "https://id.example.org", "vaka", "secret")
    service._client(request, one)
    began = time.process_time()
    for _ in range(50):
        service._client(request, one)
    assert time.process_time() - began < 0.5
