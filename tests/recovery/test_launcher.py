"""``./vaka``: the launcher, from a copy of this checkout in a folder with a space in its name."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
FILES = ("vaka", "pyproject.toml", "requirements.lock", "requirements-test.lock", "README.md")


@pytest.fixture
def checkout() -> Iterator[Path]:
    place = Path(tempfile.mkdtemp(prefix="vaka launcher ", dir="/tmp"))
    for name in FILES:
        shutil.copy(ROOT / name, place / name)
    shutil.copytree(ROOT / "src", place / "src", ignore=shutil.ignore_patterns("*.egg-info", "__pycache__"))
    yield place
    shutil.rmtree(place)


def run(place: Path, **popen: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [place / "vaka", "--version"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd="/", **popen
    )


def test_no_python_is_told_with_advice(checkout: Path, tmp_path: Path) -> None:
    """Broken: a newcomer without Python sees a shell's error."""
    for name in ("dirname", "cat", "cksum", "sh"):
        (tmp_path / name).symlink_to(shutil.which(name) or "")
    child = run(checkout, env={"PATH": str(tmp_path)})
    _, said = child.communicate(timeout=30)
    assert child.returncode == 78
    assert said.startswith("vaka: no Python 3.11")
    assert "  help: " in said
    assert not (checkout / ".venv").exists()


def test_a_folder_that_cannot_be_written_is_told(checkout: Path) -> None:
    """Broken: somebody else's checkout hangs for ever."""
    if os.geteuid() != 0:
        pytest.skip("needs another user")
    checkout.chmod(0o755)
    child = run(checkout, user=65534, group=65534, extra_groups=[], env={"PATH": "/usr/bin:/bin"})
    _, said = child.communicate(timeout=30)
    assert child.returncode == 78
    assert "  help: " in said


@pytest.mark.slow
def test_two_first_starts_at_once_and_a_second_that_writes_nothing(checkout: Path) -> None:
    """Broken: a newcomer's first command fails, or each start installs again."""
    as_user: dict[str, Any] = {}
    if os.geteuid() == 0:
        for entry in (checkout, *checkout.rglob("*")):
            os.chown(entry, 65534, 65534)
        as_user = {"user": 65534, "group": 65534, "extra_groups": [], "env": {**os.environ, "PATH": "/usr/bin:/bin"}}
    checkout.chmod(0o700)
    for child in [run(checkout, **as_user), run(checkout, **as_user)]:
        out, said = child.communicate(timeout=280)
        assert child.returncode == 0, said
        assert out.startswith("vaka, version")
    assert not (checkout / ".venv.lock").exists()
    checkout.chmod(0o500)
    child = run(checkout, **as_user)
    out, said = child.communicate(timeout=30)
    assert (child.returncode, said) == (0, "")
    checkout.chmod(0o700)


def test_what_pip_installs_is_whole(checkout: Path, tmp_path: Path) -> None:
    """Broken: `pip install .` gives a Vaka without its SQL, its pages or its demo region, which a checkout never shows."""
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "--wheel-dir", str(tmp_path), str(checkout)], check=True, timeout=120)
    (wheel,) = tmp_path.glob("vaka-*.whl")
    with zipfile.ZipFile(wheel) as packed:
        inside = set(packed.namelist())
        (commands,) = (packed.read(name).decode() for name in inside if name.endswith("entry_points.txt"))
    here = {str(path.relative_to(ROOT / "src")) for path in (ROOT / "src" / "vaka").rglob("*") if path.is_file()}
    assert {one for one in here if "__pycache__" not in one and not one.endswith(".md")} <= inside
    assert "vaka = vaka.cli:main" in commands
