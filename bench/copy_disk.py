"""What a copy needs on disk for each resource: its whole file, sheets, indexes and full text included.

The write-ahead log and room that deletions have left are no part of it: both are bounded, whatever the record's size.
"""

from __future__ import annotations

from typing import Any

from bench.figure import Figure
from bench.site import Site

from vaka.copy import engine
from vaka.copy.files import Folder, key

_KB = 1_000


def measure(site: Site) -> list[Figure]:
    folder = Folder(site.folder(1))
    connection = engine.reader(folder.record(folder.current() or 0), key(folder, None))
    try:
        resources = int(connection.execute("SELECT count(*) FROM resource").get)
        pages, free = int(connection.pragma("page_count")), int(connection.pragma("freelist_count"))
        size = int(connection.pragma("page_size"))
        sheets: Any = connection.execute(
            "SELECT coalesce(sum(length(facts) + length(sv) + length(en) + length(json)), 0), count(*) FROM fragment_body"
        ).fetchall()[0]
    finally:
        connection.close()
    used = (pages - free) * size
    return [Figure(
        "copy_disk", "a copy's disk for each resource, sheets included", round(used / resources / _KB, 3), "kB", 2, 1.5,
        lower_is_better=True,
        detail=f"{resources:,} resources in {used / 1e6:,.0f} MB ({free * size / 1e6:,.0f} MB free besides); of it "
        f"{sheets[1]:,} fragments of sheets in two languages and as JSON: {sheets[0] / resources:,.0f} bytes a resource",
    )]  # fmt: skip
