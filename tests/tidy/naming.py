"""What documents name: tests as `path::name` below tests/, code as `path` below src/vaka/, links to other files."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]


@cache
def tests_in(path: Path) -> frozenset[str]:
    """Names of the test functions of a module."""
    return frozenset(
        node.name
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    )


def named_tests(text: str) -> list[tuple[str, str]]:
    """(path, name) of each test that ``text`` names."""
    return re.findall(r"`([\w/.]+\.py)::(\w+)`", text)


def missing_tests(text: str) -> list[str]:
    """Those of ``named_tests`` that are not there."""
    return [
        f"{path}::{name}"
        for path, name in named_tests(text)
        if not (file := ROOT / "tests" / path).is_file() or name not in tests_in(file)
    ]


def named_code(text: str) -> list[str]:
    """Modules and SQL files that ``text`` names by a path."""
    return re.findall(r"`((?:src/vaka/|tools/)?[\w/]+\.(?:py|sql|html))`", text)


def missing_code(text: str) -> list[str]:
    """Those of ``named_code`` that are neither below src/vaka nor where they say."""
    return [
        path
        for path in named_code(text)
        if not any((ROOT / base / path).exists() for base in ("", "src/vaka", "src/vaka/journal"))
    ]


def missing_links(document: Path) -> list[str]:
    """Links to files that are not there."""
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", document.read_text())
    return [link for link in links if "://" not in link and not (document.parent / link).resolve().exists()]
