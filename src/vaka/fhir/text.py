"""Text as search compares it: folded strings, and words folded and stemmed for Swedish.

Index and query use the same functions, so that journal and copy find the same: neither engine stems or collates by
itself (facts, Equality of journal and copy). All accents fold, å, ä and ö too: FHIR string search ignores them
(https://hl7.org/fhir/R4/search.html#string), and "Asa" must find "Åsa". Words are folded before they are stemmed, so
that "lakare" and "läkare" have one stem.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final

import Stemmer

WORD_MAX_CHARS: Final = 40
# Letters that Unicode does not take apart.
_LETTERS: Final = str.maketrans({"ø": "o", "æ": "ae", "œ": "oe", "đ": "d", "ð": "d", "ł": "l", "þ": "th", "ı": "i"})
_TOKEN: Final = re.compile(r"[^\W_]+")
_SWEDISH: Final = Stemmer.Stemmer("swedish")


@lru_cache(maxsize=8_192)
def fold(text: str) -> str:
    """``text`` without case and accents, white space runs as one space, none at the ends."""
    if text.isascii():
        return " ".join(text.lower().split())
    apart = unicodedata.normalize("NFKD", text).casefold().translate(_LETTERS)
    plain = "".join(c for c in unicodedata.normalize("NFKD", apart) if not unicodedata.combining(c))
    return " ".join(plain.split())


@lru_cache(maxsize=32_768)
def _stem(word: str) -> str:
    return str(_SWEDISH.stemWord(word))


def lexemes(text: str) -> list[str]:
    """As ``words``, not cached: for long texts."""
    return [_stem(w) for w in _TOKEN.findall(fold.__wrapped__(text)) if 1 < len(w) <= WORD_MAX_CHARS]


@lru_cache(maxsize=8_192)
def _words(text: str) -> tuple[str, ...]:
    return tuple(lexemes(text))


def words(text: str) -> list[str]:
    """The words of ``text`` in order: folded, stemmed; those of one letter, or of more than 40, are left out."""
    return list(_words(text)) if len(text) <= 256 else lexemes(text)


_TAG: Final = re.compile(r"<[^>]*>")
_ENTITY: Final = re.compile(r"&(#x?[0-9a-fA-F]+|\w+);")


def without_markup(xhtml: str) -> str:
    """The text of an XHTML narrative: tags out, character entities read."""
    text = _TAG.sub(" ", xhtml)
    if "&" not in text:
        return text
    from html import unescape

    return unescape(text)
