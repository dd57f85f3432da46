"""The door of a record: what leaves it is noted, and masked where it is protected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from vaka.access.filter import AccessFilter
from vaka.access.masking import masked
from vaka.fhir.keys import resource_key
from vaka.store.page import Page
from vaka.store.version import Version


def seen(access: AccessFilter, version: Version) -> Version:
    """``version`` as ``access`` may see it, noted for the access log: what is protected is masked (A10)."""
    access.trail.touched.append(version.touched)
    access.trail.rules |= version.rule
    if version.protected and not access.full and version.body is not None:
        return replace(version, body=masked(version.body))
    return version


def whole_seen(access: AccessFilter, version: Version) -> Version:
    """``version`` unmasked, for who may see that; noted as well."""
    access.trail.touched.append(version.touched)
    access.trail.rules |= version.rule
    return version


def page_seen(access: AccessFilter, page: Page) -> Page:
    """The same for the matches of a page."""
    return replace(page, matches=tuple(seen(access, version) for version in page.matches))


def living_seen(
    access: AccessFilter, references: Sequence[tuple[str, str]], found: Mapping[int, Version]
) -> list[Version]:
    """The same for those of ``references`` (type, id) that were ``found`` by their keys and live: each once, in their order."""
    keys = dict.fromkeys(resource_key(*reference) for reference in references)
    return [seen(access, found[key]) for key in keys if key in found and not found[key].deleted]
