"""Sheets as people read them at a copy, beside the same bytes as static files of nginx: same core, connections, keep-alive.

A: the copy's own port, people's sessions, the access decision, each access durably logged before its answer; the answer is packed
(``Content-Encoding: deflate``), as each browser asks. B: nginx, one worker, a file for each of the same answers, sent with the
same encoding. A and B in turn; each must use up its core.
"""

from __future__ import annotations

from typing import Final

from bench.figure import Figure, ratio
from bench.nginx import nginx
from bench.sheets_of import Asked, asked, get
from bench.site import Site
from bench.wrk import Load, drive, said

from vaka.api.admission import Shared, Step

CONNECTIONS: Final = 128
ROUNDS: Final = 5
SECONDS: Final = 3


def measure(site: Site) -> list[Figure]:
    return [_measured(asked(site, packed=packed), site) for packed in (True, False)]


def _measured(found: Asked, site: Site) -> Figure:
    files = {f"/{number}.json": body for number, body in enumerate(found.bodies)}
    headers = {"Content-Encoding": found.encoding} if found.encoding else {}
    with nginx(files, headers) as (port, worker):
        site.pin()
        serving, of_files = [site.pid("serve-1", 1)], [get(address, found.encoding) for address in files]

        def ours() -> Load:
            return drive(site.ports[0], found.requests, connections=CONNECTIONS, seconds=SECONDS, server=serving)

        def theirs() -> Load:
            return drive(port, of_files, connections=CONNECTIONS, seconds=SECONDS, server=[worker.pid])

        ours(), theirs()  # to warm both
        runs = [(ours(), theirs()) for _ in range(ROUNDS)]
        if any(slot.step is Step.CARD for slot in Shared.look(site.folder(1) / "admission")):
            raise RuntimeError("cards were served, not sheets")
    return ratio(
        "sheets" if found.encoding else "sheets, not packed",
        f"{found.said}, with decision and durable log, against nginx serving the same bytes, {CONNECTIONS} connections each",
        [one.per_second for one, _ in runs], [one.per_second for _, one in runs], 0.35, 0.6, "/s",
        said(runs),
    )  # fmt: skip
