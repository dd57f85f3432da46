"""Folding and words: what is written with or without accents, in any inflection, finds the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaka.fhir.text import fold, lexemes, without_markup, words


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Åsa", "asa"),
        ("  ÖBERG \t Lindström\n", "oberg lindstrom"),
        ("Éva", "eva"),
        ("Straße", "strasse"),
        ("Łukasz Ørsted", "lukasz orsted"),
        ("ﬁn", "fin"),
        ("A\u030asa", "asa"),
        ("İstanbul", "istanbul"),
        ("", ""),
    ],
)
def test_fold(text: str, folded: str) -> None:
    """Åsa would not be found by "asa"."""
    assert fold(text) == folded


@given(st.text())
def test_fold_is_stable(text: str) -> None:
    """A folded text that folds further would be stored and searched in two forms."""
    assert fold(fold(text)) == fold(text)
    assert words(text) == lexemes(text)


@pytest.mark.parametrize(
    ("one", "other"),
    [("läkaren", "LÄKARE"), ("läkarens", "lakare"), ("bedömningen", "Bedömning"), ("åtgärder", "åtgärd")],
)
def test_inflections_meet(one: str, other: str) -> None:
    """A note would be found only by the very form that it uses."""
    assert words(one) == words(other)


def test_words() -> None:
    """One letter alone is no word; order and numbers stay."""
    assert words("Hb 120 g/L, B-Hemoglobin") == ["hb", "120", "hemoglobin"]
    assert words("x" * 41) == []


def test_markup() -> None:
    """Tags would be searched as words, and words glued together across tags."""
    assert without_markup("<p>A<b>B</b>&amp;&#229;</p>").split() == ["A", "B", "&å"]
