"""The texts of pages: all of them have Swedish, and the reader of ``.po`` files reads what gettext would."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from jinja2 import Environment

import vaka.web
from vaka.web.texts import language_of, read_po, texts

WEB = Path(vaka.web.__file__).parent


def used() -> set[str]:
    """Every text that a page may show."""
    found: set[str] = set()
    environment = Environment(extensions=["jinja2.ext.i18n"], autoescape=True)
    for template in WEB.glob("templates/*.html"):
        for _, _, text in environment.extract_translations(template.read_text()):  # type: ignore[attr-defined]
            found.add(text[0] if isinstance(text, tuple) else text)
    for module in WEB.rglob("*.py"):
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "N_":
                assert isinstance(node.args[0], ast.Constant), f"{module}: N_ of something that is no text"
                found.add(str(node.args[0].value))
    return found


def test_every_text_has_swedish() -> None:
    """Would break: a page in two languages at once; or a translation of a text that has changed."""
    known = read_po((WEB / "locale" / "sv" / "vaka.po").read_text())
    assert used() - set(known) == set()
    assert set(known) - used() == set()


def test_translations_keep_their_places() -> None:
    """Would break: a name or number falls out of a sentence, or a page fails on it."""
    for english, swedish in read_po((WEB / "locale" / "sv" / "vaka.po").read_text()).items():
        values = {"name": "<name>", "count": 77, "until": "12:00", "least": 99, "day": "<day>", "clock": "<clock>", "at": "<at>", "since": "<since>", "number": "<number>", "rights": "<rights>", "began": "<began>", "used": "<used>", "as_of": "<as_of>", "old": "<old>", "printed": "<printed>", "by": "<by>", "done": 71, "of": 72, "most": 98, "hours": 97}  # fmt: skip
        assert [value for value in map(str, values.values()) if value in english % values] == [
            value for value in map(str, values.values()) if value in swedish % values
        ], english


def test_a_po_file() -> None:
    """Would break: texts over several lines, escapes, comments and the head of the file."""
    content = 'msgid ""\nmsgstr "Language: sv\\n"\n\n#: x\n#, fuzzy\nmsgid "a"\n" \\"b\\""\nmsgstr ""\n"å "\n"ä"\n\nmsgid "empty"\nmsgstr ""\n'
    assert read_po(content) == {'a "b"': "å ä"}


@pytest.mark.parametrize(
    ("header", "language"),
    [
        (None, "sv"), ("", "sv"), ("en", "en"), ("en-GB,en;q=0.8,sv;q=0.5", "en"), ("fi,sv;q=0.8,en;q=0.5", "sv"), ("fi", "sv"),
        ("*", "sv"), ("en;q=x", "sv"), (";;;,,,q=", "sv"),
    ],
)  # fmt: skip
def test_the_language_of_who_asks(header: str | None, language: str) -> None:
    """Would break: a browser set to English gets Swedish, or the reverse; an odd header must not fail."""
    assert language_of(header) == language


def test_english_is_what_the_code_says() -> None:
    """Would break: English readers get Swedish."""
    assert texts("en").gettext("Log in") == "Log in"
    assert texts("sv").gettext("Log in") == "Logga in"
