"""Print the lower bounds of pyproject.toml as constraints for pip: what `make test-lowest` installs.

``python checks/lowest.py pyproject.toml constraints.txt``

PyTorch is the exception: its builds depend on the machine (CPU or CUDA), so all tests have one release, that
of constraints.txt. What no bound names (a dependency of a dependency) is left to pip.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

BOUND = re.compile(r"(?P<name>[A-Za-z0-9._-]+)(?:\[[^]]*\])?(?:>=|==)(?P<version>[0-9][0-9.]*)")


def lower_bounds(project: str) -> dict[str, str]:
    """Return name and lowest release of all that a pyproject.toml gives a bound for, extras included."""
    table = tomllib.loads(project)["project"]
    lists = [table["dependencies"], *table["optional-dependencies"].values()]
    found = [BOUND.fullmatch(requirement) for requirements in lists for requirement in requirements]
    return {match["name"]: match["version"] for match in found if match is not None}


def main(project: Path, constraints: Path) -> None:
    """Print the constraints."""
    lowest = lower_bounds(project.read_text(encoding="utf-8"))
    torch = re.search(r"^torch==(\S+)$", constraints.read_text(encoding="utf-8"), flags=re.MULTILINE)
    if torch is None or "torch" not in lowest:
        sys.exit(f"no release of torch in {constraints}, or no bound in {project}")
    lowest["torch"] = torch[1]
    print(*(f"{name}=={version}" for name, version in sorted(lowest.items())), sep="\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
