"""Every command with arguments that nobody means: one line and exit code 2, never a traceback."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_type_hints

import pytest
import typer

from benchkit.base.limits import RANGES
from benchkit.cli import app as program
from benchkit.cli.checked import CheckedCommand

Cli = Callable[..., tuple[int, str, str]]
LONG = "x" * 5000
HUGE = 10**35


def commands(group: Any = None, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield the words and the object of every command of the program."""
    group = typer.main.get_command(program.app) if group is None else group
    for name, each in group.commands.items():
        if hasattr(each, "commands"):
            yield from commands(each, (*path, name))
        else:
            yield (*path, name), each


COMMANDS = dict(commands())
COMPLETE = {("fading", "run"): "--space=none"}
"""Commands whose defaults are a whole study, and what keeps them from it."""


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def kind(command: Any, parameter: Any) -> type[Any]:
    """Return int, float, str, Path and so on: what one value of a parameter is."""
    kinds = [get_type_hints(inspect.unwrap(command.callback)).get(parameter.name, bool)]
    while get_args(kinds[0]):
        kinds = [each for each in get_args(kinds[0]) if each is not NoneType]
    return kinds[0]


def is_number(command: Any, parameter: Any) -> bool:
    return kind(command, parameter) in (int, float)


def is_option(parameter: Any) -> bool:
    return str(parameter.param_type_name) == "option"


def minimal(path: tuple[str, ...], folder: Path, but: Any = None) -> list[str]:
    """Return words that satisfy a command's parser, and name nothing that exists; `but` is left out."""
    command = COMMANDS[path]
    words = [COMPLETE[path]] if path in COMPLETE else []
    for parameter in command.params:
        if parameter.required and parameter is not but:
            value = "1" if is_number(command, parameter) else str(folder / "none")
            words += [f"{parameter.opts[-1]}={value}"] if is_option(parameter) else [value]
    return words


def line_of(found: tuple[int, str, str]) -> str:
    code, out, err = found
    assert (code, out) == (2, ""), (code, out, err)
    assert re.fullmatch(r"benchkit: error: \S[^\n]*\n", err), err
    assert err[:-1].isprintable()
    assert len(err) < 4100
    return err


def test_there_are_commands_and_all_of_them_check_what_they_are_given() -> None:
    assert len(COMMANDS) > 35
    assert all(isinstance(command, CheckedCommand) for command in COMMANDS.values())


def test_every_number_of_the_command_line_has_a_range() -> None:
    named = {p.name for command in COMMANDS.values() for p in command.params if is_number(command, p)}
    assert len(named) > 35
    assert named - {"schedule"} <= set(RANGES)  # a schedule is a number of epochs


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_numbers_out_of_range_are_one_line(cli: Cli, tmp_path: Path, path: tuple[str, ...]) -> None:
    command = COMMANDS[path]
    words = minimal(path, tmp_path)
    for parameter in command.params:
        if not is_number(command, parameter):
            continue
        values = [str(HUGE), "9" * 5000, "", "nan", "-2"]
        if kind(command, parameter) is float:
            values = [str(HUGE), "", "nan", "1e400", "-inf"]
        name = max(parameter.opts, key=len)
        for value in values:
            line = line_of(cli(*path, *words, f"{name}={value}"))
            assert name in line
            assert len(line) < 500


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_text_that_names_nothing_is_one_line(cli: Cli, tmp_path: Path, path: tuple[str, ...]) -> None:
    command = COMMANDS[path]
    line_of(cli(*path, *minimal(path, tmp_path), "--nonsense"))
    line_of(cli(*path, *minimal(path, tmp_path), f"--{LONG}"))
    extra = cli(*path, *minimal(path, tmp_path), *[LONG] * 3)
    line_of(extra)
    texts = [p for p in command.params if kind(command, p) in (str, Path)]
    for parameter in texts:
        others = minimal(path, tmp_path, parameter)
        for value in ("", LONG, "\udcff", "a\0b", "../../" * 300, "\x1b[31m\n"):
            words = list(others)
            if is_option(parameter):
                words += [f"{max(parameter.opts, key=len)}={value}"]
            else:
                words += ["--", value] if not others else [value]
            code, out, err = cli(*path, *words)
            if code == 0 and not others:  # such as an empty folder of results, or a plain name
                continue
            line = line_of((code, out, err))
            if value == "\udcff":
                assert "not UTF-8" in line
            if value == "a\0b":
                assert "zero byte" in line or "null byte" in line or "not" in line
            if value == LONG:
                assert LONG[:201] not in line


def test_a_missing_argument_is_one_line(cli: Cli) -> None:
    checked = 0
    for path, command in COMMANDS.items():
        if any(parameter.required for parameter in command.params):
            assert "Missing" in line_of(cli(*path))
            checked += 1
    assert checked > 25
