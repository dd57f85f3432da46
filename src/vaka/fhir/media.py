"""Types of content, and whether it begins as its type says, where a viewer opens it by itself (OWASP ASVS 4.0.3, 12.2.1).

The marks are those of the types' registrations (https://www.iana.org/assignments/media-types) and of ISO 32000-1 7.5.2 (PDF), the
PNG and TIFF 6.0 specifications, DICOM PS3.10 7.1. Pure. Invariant: a type that is not here is not judged.
"""

from __future__ import annotations

from typing import Final

JSON_PATCH: Final = "application/json-patch+json"  # RFC 6902
START_BYTES: Final = 1_024  # where a reader of PDF looks for its mark; all others are nearer
# Type -> (marks, any of which stands at, this place).
_MARKS: Final[dict[str, tuple[tuple[bytes, ...], int]]] = {
    "image/png": ((b"\x89PNG\r\n\x1a\n",), 0),
    "image/jpeg": ((b"\xff\xd8\xff",), 0),
    "image/gif": ((b"GIF87a", b"GIF89a"), 0),
    "image/tiff": ((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), 0),
    "image/bmp": ((b"BM",), 0),
    "image/webp": ((b"WEBP",), 8),
    "application/dicom": ((b"DICM",), 128),
    "application/zip": ((b"PK\x03\x04", b"PK\x05\x06"), 0),
}  # fmt: skip


def begins_as(media: str, start: bytes) -> bool:
    """Whether content of type ``media`` may begin with ``start``, its first ``START_BYTES`` (all of it, if it is shorter).
    Empty content is of any type."""
    type_ = media.partition(";")[0].strip().lower()
    if not start:
        return True
    if type_ == "application/pdf":
        return b"%PDF-" in start[:START_BYTES]
    marks, place = _MARKS.get(type_, ((), 0))
    return not marks or start[place:].startswith(marks)
