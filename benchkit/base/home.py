"""Finds the folders of a user's own data: ``$BENCHKIT_HOME``, or the user's cache directory."""

from __future__ import annotations

import os
import re
from pathlib import Path

from benchkit.base.errors import InputError, shown

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")


def home(kind: str) -> Path:
    """Return the folder of one kind of data, such as ``tables``, ``images`` or ``downloads``."""
    stated = os.environ.get("BENCHKIT_HOME")
    if stated:
        return Path(stated) / kind
    from platformdirs import user_cache_path

    return user_cache_path("benchkit") / kind


def is_entry(name: str) -> bool:
    """Return whether a table or a data set can have this name."""
    return _NAME.fullmatch(name) is not None


def check_entry(name: str, what: str) -> None:
    """Raise InputError where a table or a data set, which `what` says, cannot have this name."""
    if not is_entry(name):
        raise InputError(f"{what} name {shown(name)} must be lower-case letters, digits, '.', '_' or '-'")
