"""A second API process on a journal's database, without decision and access log: the other side of ``bench.access``.

Not a mode of Vaka: the log is taken out here, in this process, and nowhere else can it be. ``python -m bench.unlogged DIR
PORT``, with the database in VAKA_DATABASE.
"""

from __future__ import annotations

import sys
from typing import Any, cast

from vaka import assemble
from vaka.accesslog.record import Record
from vaka.accesslog.writer import AccessLog
from vaka.api.accesses import Address


class _Nothing:
    """Takes records, and keeps none."""

    under_way = 0

    async def write(self, record: Record, *, urgent: bool = False) -> None:
        del record, urgent

    def submit(self, record: Record) -> None:
        del record

    def require(self, *, urgent: bool) -> None:
        del urgent

    async def close(self) -> None:
        return


async def _open(*_: Any, **__: Any) -> AccessLog:
    return cast(AccessLog, _Nothing())


def take_out() -> None:
    """Takes the access log out of this process."""
    Address.is_logged = property(lambda _: False)  # type: ignore[assignment]  # no record is made either
    AccessLog.open = _open  # type: ignore[method-assign]


def main() -> None:
    take_out()
    assemble.serve(assemble.Start(assemble.directory(sys.argv[1]), port=int(sys.argv[2])))


if __name__ == "__main__":
    main()
