"""The texts of sheets and lists: all of them have Swedish."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from jinja2 import Environment

import vaka.copy
from vaka.texts import read_po, texts_of

COPY = Path(vaka.copy.__file__).parent


def used() -> set[str]:
    """Every text that a sheet or list may show: in templates, marked, and asked for by name."""
    found: set[str] = set()
    environment = Environment(extensions=["jinja2.ext.i18n"], autoescape=True)
    for template in COPY.glob("templates/*.html"):
        for _, _, text in environment.extract_translations(template.read_text()):  # type: ignore[attr-defined]
            found.add(text[0] if isinstance(text, tuple) else text)
    for module in COPY.rglob("*.py"):
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
                name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
                if name in ("N_", "gettext", "told") and isinstance(node.args[0].value, str):
                    found.add(node.args[0].value)
    return found


def test_every_text_has_swedish() -> None:
    """Would break: a sheet in two languages at once; or a translation of a text that has changed."""
    known = read_po((COPY / "locale" / "sv" / "vaka.po").read_text())
    assert used() - set(known) == set()
    assert set(known) - used() == set()


def test_translations_keep_their_places() -> None:
    """Would break: a number falls out of a sentence, or a page fails on it."""
    for english, swedish in read_po((COPY / "locale" / "sv" / "vaka.po").read_text()).items():
        assert re.findall(r"%\(\w+\)s", english) == re.findall(r"%\(\w+\)s", swedish), english
        assert english.count("%") == swedish.count("%")


def test_each_package_has_its_own() -> None:
    """Would break: the pages' texts are shown in the place of the sheet's."""
    assert texts_of("vaka.copy", "sv").gettext("Sheet") == "Översikt"
    assert texts_of("vaka.web", "sv").gettext("Log in") == "Logga in"
    assert texts_of("vaka.copy", "en").gettext("Sheet") == "Sheet"
