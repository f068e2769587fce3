"""Commands that check what they are given before they run: every number has a range, and text is UTF-8."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePath
from typing import Any

from typer import Typer
from typer.core import TyperCommand

from benchkit.base.errors import InputError, shown
from benchkit.base.files import check_name
from benchkit.base.limits import check_number

_RANGE_OF = {"schedule": "epochs"}
"""Options whose numbers have the range of another name."""


class CheckedCommand(TyperCommand):
    """A command whose numbers lie within `benchkit.base.limits`, and whose text any file can hold."""

    def invoke(self, ctx: Any) -> Any:
        for parameter in self.params:
            name = str(parameter.name)
            option = max(map(str, parameter.opts), key=len, default=name)
            said = option if option.startswith("-") else name.upper()
            for value in _values(ctx.params.get(name)):
                if isinstance(value, int | float) and not isinstance(value, bool):
                    check_number(_RANGE_OF.get(name, name), value, said)
                elif isinstance(value, str | PurePath):
                    _check_text(str(value), said)
        return super().invoke(ctx)


def _values(given: Any) -> Iterator[Any]:
    if isinstance(given, list | tuple):
        yield from given
    elif given is not None:
        yield given


def _check_text(text: str, said: str) -> None:
    """Refuse bytes that are no text: what is given is written into manifests, tables and pages."""
    check_name(text, said)
    if "\0" in text:
        raise InputError(f"{said} holds a zero byte: {shown(text)}")


def check_commands(app: Typer) -> None:
    """Make all commands of an application, and of its groups, check what they are given."""
    for command in app.registered_commands:
        command.cls = CheckedCommand
    for group in app.registered_groups:
        if group.typer_instance is not None:
            check_commands(group.typer_instance)
