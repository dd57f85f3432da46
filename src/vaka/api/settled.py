"""Which points of law are open at this start, and that they were changed since the last one.

Invariant: what is open is never other than what the access log told last: a change is in it, durably, before anybody is served.
"""

from __future__ import annotations

from vaka import log
from vaka.access.settings import CLOSED, Settings
from vaka.accesslog import direct
from vaka.journal.journal import Journal
from vaka.journal.statements import statements


async def keep(journal: Journal, law: Settings) -> None:
    """Tells the logs what is open, where it is another choice than at the last start; then keeps it as the last."""
    log.info("points of law", chosen=law.text)
    sql = statements("access")
    async with journal.pool.connection() as connection:
        row = await (await connection.execute(sql["law_before"])).fetchone()
        before = row[0] if row is not None else CLOSED.text
        if before == law.text:
            return
        log.warning("points of law changed", before=before, now=law.text)
        record = direct.command_record("law", f"before: {before}; now: {law.text}")
        await direct.append(connection, [record])
        await connection.execute(sql["keep_law"], {"law": law.text})
