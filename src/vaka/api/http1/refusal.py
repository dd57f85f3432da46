"""A whole answer that tells an error, for who is answered without an exchange."""

from __future__ import annotations

from collections.abc import Sequence

from vaka.api.http import error_response
from vaka.api.http1.head import answer_head
from vaka.errors import VakaError


def refusal(
    error: VakaError, marks: Sequence[tuple[str, str]], *, status: int | None = None, close: bool = False
) -> bytes:
    """``marks``: headers that say who answers; ``status``: if it is not the error's own; ``close``: it is the last on its
    connection."""
    told = error_response(error)
    headers = [("content-type", told.content_type), *told.headers, *marks]
    return answer_head(status or told.status, headers, len(told.body), close=close) + told.body
