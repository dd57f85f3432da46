"""Bytes on disk for each resource: all tables, all indexes, all history; WAL not counted."""

from __future__ import annotations

import psycopg
from bench.figure import Figure
from bench.place import Place

TABLES = ("version", "resource", "search_date", "search_quantity", "search_string", "owner")


def measure(place: Place) -> list[Figure]:
    with psycopg.connect(place.dsn, autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS bench_keys")
        connection.execute("VACUUM (ANALYZE)")
        sizes = {}
        for table in TABLES:
            row = connection.execute(
                "SELECT coalesce(sum(pg_total_relation_size(inhrelid)), 0) + pg_total_relation_size(%(table)s::regclass)"
                " FROM pg_inherits WHERE inhparent = %(table)s::regclass",
                {"table": table},
            ).fetchone()
            assert row is not None
            sizes[table] = int(row[0])
        row = connection.execute("SELECT count(*) FROM resource").fetchone()
        mean = connection.execute("SELECT avg(octet_length(body)) FROM version").fetchone()
    assert row is not None and mean is not None
    count = int(row[0])
    each = ", ".join(f"{table} {size / count:,.0f}" for table, size in sizes.items())
    detail = f"{count:,} resources; bytes each: {each}; of which compressed body {float(mean[0]):,.0f}"
    value = round(sum(sizes.values()) / count / 1_000, 3)
    return [Figure("disk", "disk for each resource, all indexes and history", value, "kB", 3.0, 2.0, True, detail)]
