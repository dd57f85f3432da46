"""As ``bench.overload``, at a copy: the same kinds of question, asked at the copy's own port."""

from __future__ import annotations

from bench.figure import Figure
from bench.overload import asking_of, measured
from bench.site import Site


def measure(site: Site) -> list[Figure]:
    asking = asking_of(site.place)
    site.pin()
    return measured("copy_overload", asking, site.ports[0], site.pid("serve-1", 1), site.folder(1) / "admission")
