"""What the law says of a change, it says only of what the caller may know of."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from vaka.access.filter import AccessFilter
from vaka.errors import Conflict
from vaka.journal.law import require_lawful
from vaka.journal.write import State, Write


def test_a_hidden_patient_that_was_merged_looks_like_none() -> None:
    """Broken: who may not see a patient learns by a refusal into whose record it was merged."""
    write = Write("Patient", "gone", resource={"resourceType": "Patient"}, body=b"{}")
    stands = {write.rkey: State("Patient", "gone", 2, 1, False, 0, None, 1)}
    limited, nowhere = AccessFilter("client:lab"), cast(Any, None)  # nothing is asked of the database here

    async def ask(states: dict[int, State]) -> None:
        await require_lawful(nowhere, [write], states, limited, {"gone": "other"})

    asyncio.run(ask({}))
    with pytest.raises(Conflict, match="Patient/other"):
        asyncio.run(ask(stands))
