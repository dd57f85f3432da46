"""Narratives: the XHTML that a resource carries for people (https://hl7.org/fhir/R4/narrative.html#xhtml).

Invariant: an accepted narrative is well-formed, holds only the elements and attributes that the specification lists,
and nothing that runs: no script, no event handler, no frame, no form, no link but to ordinary addresses. (Whether
images from elsewhere load is the page's decision, by its content security policy.)
"""

from __future__ import annotations

from typing import Final
from xml.parsers import expat

_XHTML: Final = "http://www.w3.org/1999/xhtml"
_ELEMENTS: Final = frozenset(
    {"a", "abbr", "acronym", "b", "big", "blockquote", "br", "caption", "cite", "code", "col", "colgroup", "dd", "dfn",
     "div", "dl", "dt", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i", "img", "li", "ol", "p", "pre", "q", "samp",
     "small", "span", "strong", "sub", "sup", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "tt", "ul", "var"}
)  # fmt: skip
_ATTRIBUTES: Final = frozenset(
    {"abbr", "accesskey", "align", "alt", "axis", "bgcolor", "border", "cellhalign", "cellpadding",
     "cellspacing", "cellvalign", "char", "charoff", "charset", "cite", "class", "colspan", "compact", "coords",
     "dir", "frame", "headers", "height", "href", "hreflang", "hspace", "id", "lang", "longdesc", "name",
     "nowrap", "rel", "rev", "rowspan", "rules", "scope", "shape", "span", "src", "start", "style", "summary",
     "tabindex", "title", "type", "valign", "value", "vspace", "width", "xml:lang", "xml:space"}
)  # fmt: skip
_ADDRESSES: Final = ("longdesc", "href", "src", "cite")
_SCHEMES: Final = frozenset({"http", "https", "mailto", "tel", "urn", "cid", "ftp"})


class _Fault(Exception):
    pass


def narrative_fault(div: str) -> str | None:
    """What is wrong with the text of ``Narrative.div``, or None (txt-1, txt-2)."""
    text = False
    depth = 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal text, depth
        if depth == 0:
            if name != "div":
                raise _Fault("A narrative must be one div element")
            if attributes.pop("xmlns", _XHTML) != _XHTML:
                raise _Fault(f"The div of a narrative must be in the namespace {_XHTML}")
        else:
            attributes.pop("xmlns", None)
        depth += 1
        if name not in _ELEMENTS:
            raise _Fault(f"A narrative must not hold the element {name[:32]!r} (txt-1)")
        text = text or name == "img"
        for attribute, value in attributes.items():
            if attribute not in _ATTRIBUTES:
                raise _Fault(f"A narrative must not hold the attribute {attribute[:32]!r} (txt-1)")
            if attribute in _ADDRESSES and not _harmless(value, image=name == "img"):
                raise _Fault(f"A narrative must not hold such an address in {attribute!r} (txt-1)")
            if attribute == "style" and _active(value):
                raise _Fault("A style in a narrative must not load anything (txt-1)")

    def end(_name: str) -> None:
        nonlocal depth
        depth -= 1

    def characters(data: str) -> None:
        nonlocal text
        text = text or not data.isspace()

    def refuse(*_: object) -> None:
        raise _Fault("A narrative must not hold a document type, entity declaration or processing instruction (txt-1)")

    parser = expat.ParserCreate()
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = characters
    parser.StartDoctypeDeclHandler = refuse
    parser.ProcessingInstructionHandler = refuse
    try:
        parser.Parse(div, True)
    except _Fault as fault:
        return str(fault)
    except expat.ExpatError as error:
        return f"The narrative is not well-formed XHTML: {expat.ErrorString(error.code)}, line {error.lineno}"
    except ValueError:
        return "The narrative is not well-formed XHTML"
    return None if text else "A narrative must have some text (txt-2)"


def _harmless(address: str, *, image: bool) -> bool:
    scheme, colon, _ = "".join(address.split()).lower().partition(":")
    if not colon or not scheme.replace("+", "").replace("-", "").replace(".", "").isalnum():
        return True  # relative
    return scheme in _SCHEMES or (image and scheme == "data")


def _active(style: str) -> bool:
    """A style may use pictures that stand in it or beside it; escapes and comments could hide others."""
    folded = "".join(style.lower().split())
    if any(word in folded for word in ("expression(", "script:", "@import", "behavior:", "binding:", "\\", "/*")):
        return True
    pictures = (part.lstrip("'\"") for part in folded.split("url(")[1:])
    return any(not _harmless(picture, image=True) or picture.startswith(("http", "//")) for picture in pictures)
