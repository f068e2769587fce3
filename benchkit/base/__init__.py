"""Holds what every room stands on: errors, files that are written whole, the doors for YAML and JSON."""

from __future__ import annotations

from benchkit.base.errors import ArchitectureError, InputError, clipped, shown, unknown

__all__ = ["ArchitectureError", "InputError", "clipped", "shown", "unknown"]
