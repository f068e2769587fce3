"""What lies in the archives of a release: each file of the package once, in its own place, and nothing else.

The links at the root of the checkout (``analysis``, ``spaces``, ``strategies``) lead into the package. A
builder that follows them meets those folders there first, and may leave them out of their own place.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections import Counter
from pathlib import Path

PACKAGE = "benchkit"
BESIDE = (
    *("tests/", "benchmarks/", "checks/", "tools/", "docs/"),
    *(
        "README.md",
        "CONTRIBUTING.md",
        "LICENSE",
        "Makefile",
        "constraints.txt",
        "pyproject.toml",
        "PKG-INFO",
        ".gitignore",
    ),
)
"""What a source archive holds beside the package."""


def build(checkout: Path, folder: Path) -> dict[str, Path]:
    """Build the source archive, the wheel from it and the wheel from the checkout, with what is installed.

    Parameters
    ----------
    folder : Where they go: the first two into ``dist``, the third into ``direct``.

    Returns
    -------
    Path of each, by what it is called in messages. The wheel from the source archive is the one to publish.
    """
    both = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder / "dist"), str(checkout)]
    direct = [*both[:4], "--wheel", "--outdir", str(folder / "direct"), str(checkout)]
    for command in (both, direct):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"{done.stdout}{done.stderr}\n{' '.join(command)} failed")
    return {
        "the source archive": next((folder / "dist").glob("*.tar.gz")),
        "the wheel from the source archive": next((folder / "dist").glob("*.whl")),
        "the wheel from the checkout": next((folder / "direct").glob("*.whl")),
    }


def members(archive: Path) -> list[str]:
    """Return the paths of all files in an archive, a file that is there twice twice; links are no files.

    The folder that a source archive has all others in is left out.
    """
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            return [info.filename for info in wheel.infolist() if not info.is_dir()]
    with tarfile.open(archive) as source:
        return [member.name.partition("/")[2] for member in source.getmembers() if member.isfile()]


def package_files(checkout: Path) -> list[str]:
    """Return the paths of the package's files, relative to the checkout, without what Python leaves there."""
    found = (path for path in (checkout / PACKAGE).rglob("*") if path.is_file())
    return [path.relative_to(checkout).as_posix() for path in found if "__pycache__" not in path.parts]


def faults(name: str, found: list[str], expected: list[str], beside: tuple[str, ...]) -> list[str]:
    """Return what is wrong with an archive's files, a line each; none where nothing is.

    Parameters
    ----------
    name : Name of the archive in the lines.
    found, expected : Paths in the archive, and paths of the package in the checkout.
    beside : Other files that the archive may hold; a name that ends in a slash is a folder of them.
    """
    folders = tuple(name for name in beside if name.endswith("/"))
    allowed = {*expected, *beside}
    counted = Counter(found)
    return [
        *(f"{name} lacks {path}" for path in expected if path not in counted),
        *(f"{name} holds {path} {times} times" for path, times in counted.items() if times > 1),
        *(
            f"{name} should not hold {path}"
            for path in counted
            if path not in allowed and not path.startswith(folders)
        ),
    ]


def archive_faults(checkout: Path, archives: dict[str, Path]) -> list[str]:
    """Return what is wrong with the archives of a checkout (see `build`), a line each."""
    expected = package_files(checkout)
    lines = []
    for name, archive in archives.items():
        beside = BESIDE
        if archive.suffix == ".whl":
            beside = ("-".join(archive.name.split("-")[:2]) + ".dist-info/",)
        lines += faults(name, members(archive), expected, beside)
    return lines


def main(checkout: Path) -> None:
    """Build the archives of a checkout and end with what is wrong with them."""
    with tempfile.TemporaryDirectory() as folder:
        lines = archive_faults(checkout, build(checkout, Path(folder)))
    if lines:
        sys.exit("\n".join(lines))


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
