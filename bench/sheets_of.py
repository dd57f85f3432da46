"""Sheets that people may read at a copy, and the requests that ask for them as a browser does."""

from __future__ import annotations

import random
import time
import zlib
from dataclasses import dataclass
from statistics import median
from typing import Final

import httpx
import psycopg
from bench.access import tokens_of
from bench.site import Site

_SHOWN: Final = """
SELECT DISTINCT p.id, c.unit, o.provider FROM care_relation c JOIN resource p ON p.rkey = c.patient
JOIN owner o ON o.unit = c.unit
WHERE NOT p.deleted AND c.from_us <= %(now)s AND c.until_us > %(now)s + 3600000000 AND o.provider IS NOT NULL
"""
BROWSER: Final = "gzip, deflate, br, zstd"
SMALL_BYTES: Final = 4_000
"""A sheet that is shorter shows next to nothing (all is withheld): left out."""
PEOPLE, PEOPLE_AT_A_SHEET = 40, 8
"""At a unit, and of those who read one sheet: nobody asks more than a person does (``api.admission`` counts)."""
MEDIAN_BYTES: Final = (6_000, 12_000)
"""Of a sheet of 8 kB, as it is unpacked."""


@dataclass(frozen=True, slots=True)
class Asked:
    """``sheets``: (address, session), several people's of each; ``bodies``: what the copy answered; ``encoding``: how that was
    packed, empty: not;
    ``sent_bytes``, ``median_bytes``: of the median answer as it is sent, and unpacked."""

    sheets: list[tuple[str, str]]
    bodies: list[bytes]
    encoding: str
    sent_bytes: int
    median_bytes: int

    @property
    def people(self) -> int:
        return len({token for _, token in self.sheets})

    @property
    def requests(self) -> list[bytes]:
        """The bytes of the request for each of them, as a browser's."""
        return [get(address, self.encoding, f"Authorization: Bearer {token}\r\n") for address, token in self.sheets]

    @property
    def said(self) -> str:
        sent = f"sent as {self.sent_bytes:,} bytes of {self.encoding}" if self.encoding else "sent as they are"
        return f"{len(self.bodies)} sheets of {self.median_bytes:,} bytes, {sent}, by {self.people} people's sessions"


def get(address: str, encoding: str, proof: str = "") -> bytes:
    """The bytes of a browser's GET. ``encoding``: empty for one that takes nothing packed."""
    taken = f"Accept-Encoding: {BROWSER}\r\n" if encoding else ""
    return f"GET {address} HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n{taken}{proof}\r\n".encode()


def asked(site: Site, *, packed: bool = True) -> Asked:
    """The sheets that people may read at the first copy, each read once. RuntimeError where one is not the copy's, or they are
    not of the size that a sheet has."""
    with psycopg.connect(site.place.dsn, autocommit=True) as connection:
        rows = connection.execute(_SHOWN, {"now": time.time_ns() // 1_000}).fetchall()
    tokens = tokens_of(site.place, {unit: provider for _, unit, provider in rows}, PEOPLE)
    sheets, bodies, unpacked, encodings = [], [], [], set()
    headers = {"Accept": "application/json", "Accept-Encoding": BROWSER if packed else "identity"}
    with httpx.Client(base_url=f"http://127.0.0.1:{site.ports[0]}", headers=headers, timeout=20) as client:
        for patient, unit, _ in rows:
            address, (token, *others) = f"/sheet/{patient}", random.sample(tokens[unit], PEOPLE_AT_A_SHEET)
            with client.stream("GET", address, headers={"Authorization": f"Bearer {token}"}) as answer:
                raw = b"".join(answer.iter_raw())
            if answer.status_code != 200 or answer.headers["vaka-answered-by"] != "copy":
                raise RuntimeError(f"{address} was not answered by the copy: {answer.status_code}")
            encoding = answer.headers.get("content-encoding", "")
            size = len(zlib.decompress(raw)) if encoding == "deflate" else len(raw)
            if size < SMALL_BYTES:
                continue
            encodings.add(encoding)
            sheets += [(address, each) for each in (token, *others)]
            for each in others:  # who has not been seen yet waits among those who log in
                client.get(address, headers={"Authorization": f"Bearer {each}"}).raise_for_status()
            bodies.append(raw)
            unpacked.append(size)
    if len(bodies) < 100:
        raise RuntimeError(f"only {len(bodies)} sheets can be read by somebody")
    middle = int(median(unpacked))
    if not MEDIAN_BYTES[0] <= middle <= MEDIAN_BYTES[1]:
        raise RuntimeError(f"a sheet has {middle} bytes in the median, not about 8,000")
    (encoding,) = encodings
    return Asked(sheets, bodies, encoding, int(median(map(len, bodies))), middle)
