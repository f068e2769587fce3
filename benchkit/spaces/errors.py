"""The errors of `benchkit.base`, under the name that scripts know them by."""

from __future__ import annotations

from benchkit.base.errors import ArchitectureError, InputError, unknown

__all__ = ["ArchitectureError", "InputError", "unknown"]
