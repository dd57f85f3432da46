"""Parts that are packed once and joined: one zlib stream that every reader reads to its end."""

from __future__ import annotations

import zlib

import httpx
from hypothesis import given
from hypothesis import strategies as st

from vaka.copy.sheet.stream import joined, merged, pack, plain, unpacked

CONTENTS = st.lists(st.one_of(st.binary(max_size=400), st.just(b"<tr><td>P-Kreatinin</td></tr>" * 40)), max_size=12)


@given(CONTENTS)
def test_joined_is_what_the_parts_are(contents: list[bytes]) -> None:
    """Would break: an answer whose checksum is wrong, which a browser cuts off or refuses."""
    parts = [pack(one) if number % 2 else plain(one) for number, one in enumerate(contents)]
    whole = b"".join(contents)
    assert zlib.decompress(joined(parts)) == whole
    assert [unpacked(part) for part in parts] == contents
    assert merged(parts).size == len(whole)
    assert merged(parts).adler == zlib.adler32(whole)


@given(CONTENTS, CONTENTS)
def test_merging_first_changes_nothing(one: list[bytes], other: list[bytes]) -> None:
    """Would break: what is kept as one part says something else than its parts."""
    parts = [pack(each) for each in one + other]
    assert zlib.decompress(joined([merged(parts[: len(one)]), merged(parts[len(one) :])])) == b"".join(one + other)


def test_large_sums_wrap() -> None:
    """Would break: sums over more than 65521 bytes, or of many high bytes."""
    content = [b"\xff" * 70_000, b"\xfe" * 65_521, b"x"]
    assert zlib.decompress(joined([pack(one) for one in content])) == b"".join(content)


def test_clients_read_it_to_the_end() -> None:
    """Would break: what gzip members do in httpx, which stops after the first."""
    body = joined([pack(b"one"), plain(b"two"), pack(b"three")])
    answer = httpx.Response(200, headers={"Content-Encoding": "deflate"}, content=body)
    assert answer.content == b"onetwothree"
