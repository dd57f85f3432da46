"""``vaka bench``: measures the published figures, in a checkout."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import click
import orjson

import vaka
from vaka import errors
from vaka.command import options


@click.command("bench")
@click.argument("names", nargs=-1)
@click.option("--long", "long_", is_flag=True, help="Also the figures that take hours.")
@click.option("--to", type=click.Path(path_type=Path, dir_okay=False), help="Write the table here, as Markdown.")
@options.as_json
def command(names: tuple[str, ...], long_: bool, to: Path | None, as_json: bool) -> int:
    """Measure the published figures: NAMES, or all. Exit code 1 where one is below its "at least".

    \b
    vaka bench read create

    Every figure is a ratio or a size from one run on this machine, in a journal of its own, which is gone afterwards.
    """
    suite = _suite()
    unknown = sorted(set(names) - set(suite.names(long_=True)))
    if unknown:
        raise errors.Invalid(f"there is no figure {unknown[0]}", help=f"there are {', '.join(suite.names(long_=True))}")
    figures = []
    for name, found in suite.run(names, long_=long_):
        figures += found
        for figure in found:
            mark = "reaches its aim" if figure.reaches_aim else "holds" if figure.holds else "FALLS SHORT"
            click.echo(f"{name:12} {figure.value:g} {figure.unit}  {mark}  {figure.what}: {figure.detail}", err=as_json)
    if to is not None:
        to.write_text(suite.table(figures), "utf-8")
    if as_json:
        click.echo(orjson.dumps([figure.row() for figure in figures]))
    return 0 if all(figure.holds for figure in figures) else 1


def _suite() -> ModuleType:
    root = Path(vaka.__file__).resolve().parents[2]
    if not (root / "bench" / "suite.py").exists():
        raise errors.Setup("the measurements are not part of an installed Vaka", help="run ./vaka bench in a checkout")
    sys.path.insert(0, str(root))
    return importlib.import_module("bench.suite")
