"""One connection to read the followed record on, for one thread at a time.

Invariants: what is read together is of one moment (one transaction); none takes longer than ``config.COPY_SEARCH_TIMEOUT_S``,
since a reader that stays keeps the write-ahead log from being emptied (traps: Copy).
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import apsw

from vaka import config
from vaka.copy.held import scope_of
from vaka.errors import OnlyJournal
from vaka.store.codec import Codec

Row = tuple[Any, ...]


class Reader:
    """``seed``: the number of the seed that it is open on; ``scope``: whose record that holds, None for the region's."""

    def __init__(self, connection: apsw.Connection, codec: Codec, seed: int) -> None:
        self.connection = connection
        self.codec = codec
        self.seed = seed
        self.scope = scope_of(connection)
        self._until = math.inf
        connection.set_progress_handler(self._late, config.COPY_PROGRESS_STEPS)

    def _late(self) -> bool:
        return time.monotonic() > self._until

    @contextmanager
    def moment(self, timeout_s: float = config.COPY_SEARCH_TIMEOUT_S) -> Iterator[None]:
        """What is read within is of one moment. OnlyJournal where it takes longer than a copy gives."""
        self._until = time.monotonic() + timeout_s
        self.connection.execute("BEGIN")
        try:
            yield
        except apsw.InterruptError as error:
            raise OnlyJournal(
                f"the search takes longer than {timeout_s:g} s on a read copy",
                help="narrow it, for example by patient, code or date",
            ) from error
        finally:
            self._until = math.inf
            if self.connection.in_transaction:
                self.connection.execute("COMMIT")

    def rows(self, text: str, values: Mapping[str, object]) -> list[Row]:
        """All rows of a statement."""
        return self.connection.execute(text, values).fetchall()

    def one(self, text: str, values: Mapping[str, object]) -> Row | None:
        """The first row, without a transaction of its own: a look-up by key."""
        return self.connection.execute(text, values).fetchone()

    def close(self) -> None:
        self.connection.close()
