"""The texts of pages in Swedish and English (``vaka.texts``): English in the code, Swedish in ``locale/sv/vaka.po``."""

from __future__ import annotations

from vaka.texts import LANGUAGES as LANGUAGES  # noqa: PLC0414  the pages have them from here
from vaka.texts import N_ as N_  # noqa: PLC0414
from vaka.texts import Texts, texts_of
from vaka.texts import language_of as language_of  # noqa: PLC0414
from vaka.texts import read_po as read_po  # noqa: PLC0414


def texts(language: str) -> Texts:
    return texts_of("vaka.web", language)
