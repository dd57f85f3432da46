"""``vaka sbom``: the software bill of materials of what is installed here."""

from __future__ import annotations

import platform
from datetime import UTC, datetime

import click
import orjson

from vaka.command import options
from vaka.supply import cyclonedx, lock
from vaka.supply.parts import Part, parts


@click.command("sbom")
@options.as_json
def command(as_json: bool) -> None:
    """Name everything that Vaka consists of here, with version and licence; with --json as CycloneDX 1.6, with hashes.

    What runs is in it, with what came within each part (PostgreSQL, OpenSSL, Rust crates). Tools of tests are not.
    """
    found = parts(lock.read(lock.root() / "requirements.lock"))
    if as_json:
        made = cyclonedx.document(
            found, datetime.now(UTC), f"{platform.python_implementation()} {platform.python_version()}"
        )
        click.echo(orjson.dumps(made, option=orjson.OPT_INDENT_2))
        return
    for part in found:
        _line(part)


def _line(part: Part) -> None:
    click.echo(f"{part.name} {part.version}  {part.license or part.license_text or 'licence not told'}")
    for one in part.inside:
        licences = one.get("licenses") or [{}]
        told = licences[0].get("expression") or (licences[0].get("license") or {}).get("id") or "licence not told"
        click.echo(f"    {one['name']} {one.get('version', '(version not told)')}  {told}")
