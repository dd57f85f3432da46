"""How long ago each entry of a lock file was last looked at: the date of the commit that wrote its line."""

from __future__ import annotations

import re
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from vaka.supply.lock import normal


def ages_days(lock: Path, now: datetime) -> dict[str, int] | None:
    """Days since each locked version was written, by name; 0 for what is not committed yet. None where git cannot tell."""
    git = shutil.which("git")
    if git is None:
        return None
    blamed = subprocess.run(  # nosec B603 # git by its full path; no shell
        [git, "blame", "--line-porcelain", "--", lock.name],
        cwd=lock.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    if blamed.returncode != 0:
        return None
    found, at = {}, 0
    for line in blamed.stdout.splitlines():
        if line.startswith("committer-time "):
            at = int(line.removeprefix("committer-time "))
        elif match := re.match(r"\t([A-Za-z0-9._-]+)==", line):
            found[normal(match[1])] = max(0, (now - datetime.fromtimestamp(at, UTC)).days)
    return found
