"""What passkeys belong to where a ward's PC is reached by a name below the site's."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from vaka.web.ways import passkey


@pytest.mark.parametrize(
    ("site", "name", "expected"),
    [
        ("", "ehr.example.org", "ehr.example.org"),
        ("ehr.example.org", "ward7.ehr.example.org", "ehr.example.org"),
        ("ehr.example.org", "ehr.example.org", "ehr.example.org"),
        ("ehr.example.org", "evil-ehr.example.org", "evil-ehr.example.org"),
        ("ehr.example.org", "localhost", "localhost"),
    ],
)  # fmt: skip
def test_the_site_above_a_name(site: str, name: str, expected: str) -> None:
    """Broken: nobody can log in at a ward's PC; or a passkey is asked for under another's domain."""
    request = cast("Any", SimpleNamespace(base_url=f"https://{name}:8443", header=lambda _: None, headers={}))
    assert passkey.site_of(cast("Any", SimpleNamespace(site=site)), request) == expected
