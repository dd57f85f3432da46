"""Lines as HTML and as JSON.

Invariants: everything is escaped (Jinja2, autoescape); no script and no style stands in what is made here; times are shown in
Sweden's time (S6).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import orjson

from vaka.copy.sheet.elements import Line
from vaka.fhir.times import in_words
from vaka.texts import texts_of

if TYPE_CHECKING:
    from jinja2 import Environment

PACKAGE: Final = "vaka.copy"


@cache
def environment(language: str) -> Environment:
    """Templates in one language. A member that a line does not have is empty."""
    from jinja2 import Environment, PackageLoader, Undefined  # a sheet as JSON is made without

    made = Environment(
        loader=PackageLoader(PACKAGE), autoescape=True, undefined=Undefined, extensions=["jinja2.ext.i18n"],
        trim_blocks=True, lstrip_blocks=True, auto_reload=False,
    )  # fmt: skip
    made.install_gettext_translations(texts_of(PACKAGE, language), newstyle=True)  # type: ignore[attr-defined]
    made.globals["language"] = language
    made.filters["at"] = in_words
    made.filters["spoken"] = lambda text: texts_of(PACKAGE, language).gettext(text)
    return made


@cache
def _lines(language: str) -> Any:
    return environment(language).get_template("lines.html").module


def html_lines(section: str, lines: Sequence[Line], language: str) -> bytes:
    """The rows of ``section``, without what stands around them."""
    make = getattr(_lines(language), section)
    return "".join(str(make(line)) for line in lines).encode("utf-8", "replace")


def json_lines(lines: Sequence[Mapping[str, Any]]) -> bytes:
    """Objects with commas between them."""
    return orjson.dumps(lines, default=str)[1:-1]


def macro(language: str, template: str, name: str, /, *values: Any, **more: Any) -> str:
    """What a macro of ``template`` makes."""
    return str(getattr(environment(language).get_template(template).module, name)(*values, **more))
