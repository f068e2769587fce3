"""Lists the versions of this package, of Python and of others, as manifests keep them."""

from __future__ import annotations

import platform
import re
from importlib import metadata
from typing import Any

from benchkit.base.version import __version__

_NAME = re.compile(r"[A-Za-z0-9._-]+")


def environment(*packages: str, **more: str) -> dict[str, Any]:
    """Return Python's version, the platform, and the version of each package, or that it is not installed.

    Parameters
    ----------
    packages : Names of distributions.
    more : Further facts of the platform.
    """
    return {
        "python": platform.python_version(),
        "platform": {"system": platform.system(), "machine": platform.machine(), **more},
        "dependencies": {name: _version(name) for name in packages},
    }


def versions() -> dict[str, Any]:
    """Return the version of this package, and the environment with all direct dependencies."""
    required = (_NAME.match(each) for each in metadata.requires("benchkit") or [] if "extra ==" not in each)
    names = sorted({match[0] for match in required if match is not None})
    return {"benchkit": __version__, **environment(*names, libc=" ".join(platform.libc_ver()))}


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:  # few runs need all of them
        return "not installed"
