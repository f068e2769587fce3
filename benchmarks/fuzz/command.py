"""Runs a command of the program inside this process."""

from __future__ import annotations

import contextlib
import io
import sys
from unittest import mock

from benchkit.base.errors import InputError
from benchkit.cli import main

__all__ = ["run_command"]


class WrongExitError(Exception):
    """A command ended with an exit code that it must not have here, or said nothing of why it refused."""


def run_command(*words: str) -> None:
    """Run ``benchkit WORDS``.

    Raises
    ------
    InputError : exit code 2, with what the program wrote to stderr.
    WrongExitError : an exit code other than 0 (done), 1 (a check failed) and 2, or 2 without a message.
    """
    said, shown = io.StringIO(), io.StringIO()
    code: object = 0
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(shown):
        try:
            with mock.patch.object(sys, "argv", ["benchkit", *words]):
                main()
        except SystemExit as left:
            code = left.code or 0
    lines = [line for line in said.getvalue().splitlines() if line.startswith("benchkit: error")]
    if code == 2:
        if len(lines) == 1:
            raise InputError(lines[0])
        if (
            said.getvalue().strip() or not shown.getvalue().strip()
        ):  # a group without a command shows its help
            raise WrongExitError(f"exit code 2 with {len(lines)} lines: {said.getvalue()[:200]!r}")
    elif code not in (0, 1):
        raise WrongExitError(f"exit code {code}: {said.getvalue()[:200]!r}")
