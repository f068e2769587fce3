"""Which Pythons this machine has, of the releases that the package is for.

A name on the path proves nothing: a shim of a version manager may stand for a release that is not chosen, or
not installed, and a system's Python may come without what makes environments. So each candidate is asked.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

ASK = "import ensurepip, sys, venv; print('benchkit', *sys.version_info[:3], sys.executable)"
PATIENCE = 60.0
"""Seconds that a candidate may take to answer."""


def supported(pyproject: Path) -> list[str]:
    """Return the releases that a pyproject.toml names, such as ``3.11``."""
    classifiers = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]["classifiers"]
    found = [re.fullmatch(r"Programming Language :: Python :: (3\.\d+)", line) for line in classifiers]
    return [match[1] for match in found if match is not None]


def ask(candidate: Path | str) -> tuple[str, str, Path] | None:
    """Return release, exact release and place of a Python that answers, else None.

    It is started outside of any project, so that a file that chooses a release for a folder chooses nothing.
    """
    try:
        done = subprocess.run(
            [str(candidate), "-I", "-c", ASK],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            cwd="/",
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return None
    match = re.fullmatch(r"benchkit (\d+) (\d+) (\d+) (.+)", done.stdout.strip())
    if done.returncode or match is None:
        return None
    return f"{match[1]}.{match[2]}", ".".join(match.groups()[:3]), Path(match[4])


def candidates(release: str) -> Iterator[Path]:
    """Yield where a release may lie: everywhere on the path, then in the folders of version managers."""
    for folder in os.get_exec_path():
        for name in (f"python{release}", f"python{release}.exe"):
            if (Path(folder) / name).is_file():
                yield Path(folder) / name
    home = Path.home()
    pyenv = Path(os.environ.get("PYENV_ROOT") or home / ".pyenv")
    for root, pattern in (
        (pyenv / "versions", f"{release}.*/bin/python"),
        (home / ".local/share/uv/python", f"cpython-{release}.*/bin/python{release}"),
        (Path("/opt/python"), f"{release}*/bin/python{release}"),
        (Path("/opt/hostedtoolcache/Python"), f"{release}.*/*/bin/python"),
    ):
        yield from sorted(root.glob(pattern), reverse=True)


def find_pythons(releases: list[str]) -> dict[str, tuple[str, Path]]:
    """Return exact release and place of a Python of each release that is here; the running one is one."""
    own = f"{sys.version_info[0]}.{sys.version_info[1]}"
    found = {}
    if own in releases:
        found[own] = (".".join(map(str, sys.version_info[:3])), Path(sys.executable))
    for release in releases:
        for candidate in candidates(release):
            if release in found:
                break
            answer = ask(candidate)
            if answer is not None and answer[0] == release:
                found[release] = answer[1:]
    return found
