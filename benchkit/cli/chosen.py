"""Takes the fields of a dataclass of settings from the options of a command, which have their names."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import typer


def chosen(kind: type[Any], context: typer.Context, but: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return every option that is a field of `kind`, by its name, except for those in `but`."""
    names = {each.name for each in fields(kind)} - set(but)
    return {name: value for name, value in context.params.items() if name in names}
