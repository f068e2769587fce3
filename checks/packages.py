"""Build what would be published, and use it in a clean environment of every Python that this machine has.

``python checks/packages.py CHECKOUT FOLDER``: the archives stay in FOLDER/dist, the wheel's files in
FOLDER/wheel.

The Python that runs this gets the wheel with all that it requires. The others get all but PyTorch: what the
package index has of it for most systems is a build for CUDA of several gigabytes, and a study on a table must
not need it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from email.parser import Parser
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from checks.archives import archive_faults, build, members
from checks.pythons import find_pythons, supported

LEFT_OUT = "torch"


def requirements(wheel: Path) -> list[str]:
    """Return what a wheel requires, without its extras."""
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        about = Parser().parsestr(archive.read(name).decode("utf-8"))
    return [line for line in about.get_all("Requires-Dist", []) if "extra ==" not in line]


def use(python: Path, wheel: Path, constraints: Path, whole: bool) -> str:
    """Install a wheel in a new environment, run `checks/smoke.py` there, and return what it says.

    Parameters
    ----------
    whole : Whether PyTorch is installed, too.
    """

    def call(*command: str) -> str:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, cwd=folder, env=environment
        )
        if done.returncode:
            raise RuntimeError(f"{done.stdout}{done.stderr}\n{' '.join(command)} failed")
        return done.stdout

    environment = {
        name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")
    }
    environment["PIP_DISABLE_PIP_VERSION_CHECK"] = "1"
    with tempfile.TemporaryDirectory() as folder:
        call(str(python), "-m", "venv", "env")
        inside = Path(folder) / "env" / ("Scripts" if os.name == "nt" else "bin") / "python"
        pip = (str(inside), "-m", "pip", "install", "--quiet", "--no-compile")
        if whole:
            call(*pip, "--constraint", str(constraints), str(wheel))
        else:
            others = [line for line in requirements(wheel) if re.split(r"[^\w-]", line)[0] != LEFT_OUT]
            call(*pip, "--constraint", str(constraints), "--only-binary", ":all:", *others)
            call(*pip, "--no-deps", str(wheel))
        return call(str(inside), str(Path(__file__).with_name("smoke.py"))).strip()


def main(checkout: Path, folder: Path) -> None:
    """Build, compare and use the archives; end with what is wrong, if anything is."""
    for part in ("dist", "direct", "wheel"):
        shutil.rmtree(folder / part, ignore_errors=True)
    archives = build(checkout, folder)
    faults = archive_faults(checkout, archives)
    if faults:
        sys.exit("\n".join(faults))
    wheel = archives["the wheel from the source archive"]
    files = len(members(wheel))
    print(f"{wheel.name}: {files} files, as in the source archive and in the checkout", flush=True)
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "wheel")

    releases = supported(checkout / "pyproject.toml")
    pythons = find_pythons(releases)
    own = f"{sys.version_info[0]}.{sys.version_info[1]}"
    with ThreadPoolExecutor(2) as pool:
        runs = {
            release: pool.submit(use, place, wheel, checkout / "constraints.txt", release == own)
            for release, (_, place) in pythons.items()
        }
    failed = False
    for release in releases:
        if release not in runs:
            print(f"Python {release}: not here")
            continue
        what = "the wheel" if release == own else f"the wheel without {LEFT_OUT}"
        error = runs[release].exception()
        failed |= error is not None
        print(f"Python {pythons[release][0]}, {what}: {error or runs[release].result()}")
    if failed or not runs:
        sys.exit("the wheel cannot be used" if failed else f"no Python of {', '.join(releases)} is here")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve())
