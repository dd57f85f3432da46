"""Texts in Swedish and English: gettext, read from a package's ``.po`` file at start.

English is written in the code; ``locale/sv/vaka.po`` of the package holds the Swedish. Invariant: a text without translation is
shown in English (``tests/unit/web/test_texts.py`` and ``tests/unit/copy/sheet/test_texts.py`` find it first).
"""

from __future__ import annotations

import ast
import gettext
from functools import cache, lru_cache
from importlib.resources import files
from typing import Final

LANGUAGES: Final = ("sv", "en")


def N_(text: str) -> str:  # noqa: N802  the name that gettext's tools know
    """Marks a text that is translated where it is shown."""
    return text


def read_po(content: str) -> dict[str, str]:
    """Texts and translations of a ``.po`` file without plurals and contexts."""
    found: dict[str, str] = {}
    parts: dict[str, str] = {}
    name = ""
    for line in [*content.splitlines(), 'msgid ""']:
        if line.startswith("#") or not line.strip():
            continue
        keyword, _, rest = line.partition(" ")
        if keyword in ("msgid", "msgstr"):
            if keyword == "msgid" and parts.get("msgstr"):
                found[parts.get("msgid", "")] = parts["msgstr"]
                parts = {}
            name, text = keyword, rest
            parts[name] = ""
        else:
            text = line
        parts[name] += ast.literal_eval(text)
    found.pop("", None)
    return found


class Texts(gettext.NullTranslations):
    """The translations of one language, from ``package``."""

    def __init__(self, language: str, package: str) -> None:
        super().__init__()
        path = files(package) / "locale" / language / "vaka.po"
        self._found = read_po(path.read_text("utf-8")) if path.is_file() else {}

    def gettext(self, message: str) -> str:
        return self._found.get(message, message)

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        return self.gettext(msgid1 if n == 1 else msgid2)


@cache
def texts_of(package: str, language: str) -> Texts:
    return Texts(language, package)


@lru_cache(maxsize=256)
def language_of(accept: str | None) -> str:
    """The language that an Accept-Language header likes best of those that we have; Swedish where it says nothing."""
    best, weight = "sv", 0.0
    for part in (accept or "").split(","):
        tag, _, quality = part.strip().partition(";q=")
        try:
            its = float(quality) if quality else 1.0
        except ValueError:
            continue
        language = tag.strip().lower().partition("-")[0]
        if language in LANGUAGES and its > weight:
            best, weight = language, its
    return best
