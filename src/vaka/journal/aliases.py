"""Patients whose record goes on in another's: what is written to the one stands in the other's record too (S23).

Whoever asks for either asks for both (``together``). Kept in memory, read from the table alias when the journal opens and after
each merge. A process that has not read it yet may write an entry under the old patient alone; ``merging.gather`` brings it over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vaka.access.law import KEEPS_SIGNATURES
from vaka.journal.statements import statements
from vaka.store.aliases import Aliases as Known

if TYPE_CHECKING:
    from vaka.journal.pool import Connection
    from vaka.journal.write import Write


class Aliases(Known):
    """As the table alias had them when they were read."""

    async def read(self, connection: Connection) -> None:
        """From the table as this connection sees it."""
        rows = await (await connection.execute(statements("law")["aliases"])).fetchall()
        self.know({row[1]: row[3] for row in rows})

    def apply(self, write: Write) -> None:
        """Gives a write the home patient that its own goes on in, and the keys by which it is found there."""
        if not self.into or write.resource is None or write.act in KEEPS_SIGNATURES:
            return  # a merge says itself where things go
        if write.patient is not None:
            write.patient = self.resolve(write.patient)
        write.rows = self.rows(write.rows, write.resource)
