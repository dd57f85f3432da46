"""HSA-ids: what staff, units and care providers are called in Sweden's catalogue of them."""

from __future__ import annotations

import re
from typing import Final

from vaka.errors import Invalid

HSA: Final = "urn:oid:1.2.752.129.2.1.4.1"
"""The system of their identifiers."""
_HSA_ID: Final = re.compile(r"[A-Z0-9]{2,20}(?:-[A-Z0-9]{1,20}){1,3}")


def hsa_id(text: str) -> str:
    """An HSA-id as the record has it. Invalid if it cannot be one."""
    found = text.strip().upper()
    if len(found) > 60 or not _HSA_ID.fullmatch(found):
        raise Invalid("this is not an HSA-id", help="it looks like SE2321000016-1ABC")
    return found
