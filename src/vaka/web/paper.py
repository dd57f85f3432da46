"""A page of ours as blocks that can be set on paper: headings, paragraphs, lines and tables, with what is strong or small. Pure.

What is printed is so said by the same templates as what is shown, in the same words. Invariant: no text of the page is lost but
what stands outside of ``main``, or is for a screen alone; a tag that is not known is passed through to its text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any, Final

Span = list[str]
"""``[style, text]``; style: of the letters s (strong), t (a tag), m (small), empty: none."""
_BLOCKS: Final = {"h1": "h1", "h2": "h2", "h3": "h3", "h4": "h4", "p": "p", "li": "li"}
_STYLES: Final = {"strong": "s", "small": "m"}
_CELLS: Final = frozenset({"td", "th"})
_VOID: Final = frozenset({"meta", "link", "br", "img", "input", "hr"})
_LEFT_OUT: Final = frozenset({"more", "screen", "running"})


@dataclass(slots=True)
class Block:
    """``kind``: h1 … h4, p, li, table. ``spans`` of all but tables; ``rows`` of cells (spans) of those, ``head``: how many of
    them are headings; ``warn``, ``high``: as on the screen; ``section``: the id of the section it stands in."""

    kind: str
    spans: list[Span] = field(default_factory=list)
    rows: list[list[list[Span]]] = field(default_factory=list)
    head: int = 0
    warn: bool = False
    high: list[int] = field(default_factory=list)
    section: str = ""

    def told(self) -> dict[str, Any]:
        """For the template."""
        if self.kind == "table":
            return {"kind": "table", "rows": self.rows, "head": self.head, "high": self.high}
        return {"kind": self.kind, "spans": self.spans, "warn": self.warn, "high": bool(self.high)}

    @property
    def text(self) -> str:
        return "".join(text for _, text in self.spans).strip()


def blocks(html: str, without: frozenset[str] = frozenset()) -> list[Block]:
    """What stands in the ``main`` of a page, but for elements of the classes ``without``."""
    reader = _Reader(_LEFT_OUT | without)
    reader.feed(html)
    reader.close()
    return [one for one in reader.found if one.kind == "table" or one.text]


def text_of(cell: Sequence[Span]) -> str:
    return " ".join("".join(text for _, text in cell).split())


class _Reader(HTMLParser):
    """One page."""

    def __init__(self, without: frozenset[str]) -> None:
        super().__init__(convert_charrefs=True)
        self._without = without
        self.found: list[Block] = []
        self._inside = False
        self._open: list[tuple[str, str]] = []
        """Tags that are open, with the style that each gives."""
        self._out = 0
        self._section = ""
        self._block: Block | None = None
        self._table: Block | None = None
        self._cell: list[Span] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        classes = frozenset((given.get("class") or "").split())
        if tag == "br":
            self._add("\n")
            return
        if tag in _VOID:
            return
        style = _STYLES.get(tag, "t" if tag == "b" and "tag" in classes else "s" if tag == "b" else "")
        self._open.append((tag, style))
        if tag == "main":
            self._inside = True
        if not self._inside:
            return
        if self._out or classes & self._without:
            self._out += 1
            return
        if tag == "section":
            self._section = given.get("id") or ""
        elif tag == "table":
            self._table = Block("table", section=self._section)
            self.found.append(self._table)
        elif tag == "tr" and self._table is not None:
            if "high" in classes:
                self._table.high.append(len(self._table.rows))
            self._table.rows.append([])
        elif tag in _CELLS and self._table is not None and self._table.rows:
            self._cell = []
            self._table.rows[-1].append(self._cell)
        elif tag in _BLOCKS and self._cell is None:
            self._block = Block(_BLOCKS[tag], warn="warn" in classes, section=self._section)
            if "high" in classes:
                self._block.high.append(0)
            self.found.append(self._block)

    def handle_endtag(self, tag: str) -> None:
        while self._open:
            last, _ = self._open.pop()
            if self._inside and self._out:
                self._out -= 1
            if last == tag:
                break
        if tag == "main":
            self._inside = False
        elif tag == "section":
            self._section = ""
        elif tag == "thead" and self._table is not None:
            self._table.head = len(self._table.rows)
        elif tag == "table":
            self._table = self._cell = None
        elif tag in _CELLS:
            self._cell = None
        elif tag in _BLOCKS:
            self._block = None

    def handle_data(self, data: str) -> None:
        if self._inside and not self._out:
            self._add(data)

    def _add(self, text: str) -> None:
        spans = self._cell if self._cell is not None else self._block.spans if self._block is not None else None
        if spans is None:
            return
        style = "".join(sorted({letter for _, letter in self._open if letter}))
        if text != "\n":
            text = _squeezed(text)
        if spans and spans[-1][0] == style:
            spans[-1][1] += text
        elif text:
            spans.append([style, text])


def _squeezed(text: str) -> str:
    """White space as a browser shows it; a note's own lines stay."""
    lines = [" ".join(line.split()) for line in text.split("\n")]
    inner = "\n".join(lines) if len(lines) > 1 and any(lines) else lines[0]
    return (
        (" " if text[:1].isspace() else "") + inner.strip("\n ") + (" " if text[-1:].isspace() else "")
        if inner.strip()
        else (" " if text else "")
    )
