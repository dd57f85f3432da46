"""How a Binary names content that is kept beside the record: an extension of its ``meta`` (a Binary itself can have none).

https://hl7.org/fhir/R4/binary.html, https://hl7.org/fhir/R4/extensibility.html.
"""

from __future__ import annotations

import base64
import uuid
from typing import Any, Final

URL: Final = "urn:uuid:0c9c5a44-4a0f-4a35-8d0f-3a0c6c0d8a51"
"""Holds ``content`` (its uuid), ``size`` (bytes) and ``hash`` (SHA-256)."""


def extension(content: uuid.UUID, size_bytes: int, hash: bytes) -> dict[str, Any]:
    """The extension that names a content."""
    parts = [
        {"url": "content", "valueUuid": f"urn:uuid:{content}"},
        {"url": "size", "valueDecimal": size_bytes},
        {"url": "hash", "valueBase64Binary": base64.b64encode(hash).decode()},
    ]
    return {"url": URL, "extension": parts}


def content_of(resource: dict[str, Any]) -> uuid.UUID | None:
    """The content that a valid Binary names; None if it holds its own ``data``, or names none."""
    if "data" in resource:
        return None
    for one in (resource.get("meta") or {}).get("extension", ()):
        if one.get("url") == URL:
            for part in one.get("extension", ()):
                if part.get("url") == "content":
                    try:
                        return uuid.UUID(str(part.get("valueUuid")).removeprefix("urn:uuid:"))
                    except ValueError:
                        return None
    return None
