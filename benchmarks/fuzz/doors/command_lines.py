"""The door of command lines: every command that neither trains nor downloads, with any arguments."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from benchkit.cli.app import app
from benchmarks.fuzz.command import run_command
from benchmarks.fuzz.damage_bytes import nasty
from benchmarks.fuzz.door import Door

__all__ = ["CommandLines"]

_COSTLY = {"search", "train", "table build", "fading run", "latency measure", "table fetch", "data fetch"}
_WORDS = (
    *(
        "nasbench201-3",
        "nasbench-macro",
        "digits",
        "cifar10",
        "valid",
        "test",
        "12",
        "50",
        "accuracy",
        "params",
    ),
    *(
        "random-search",
        "tpe",
        "pcnas",
        "quick",
        "macro",
        "json",
        "csv",
        "latex",
        "queries",
        "seconds",
        "iclr",
    ),
    *(
        "0",
        "1",
        "2",
        "-1",
        "1.5",
        "2147483648",
        "9999999999999999999999",
        "nan",
        "inf",
        "1e400",
        "010",
        "0x1",
    ),
    *(
        "",
        " ",
        "-",
        "--",
        "x" * 5000,
        "\udcff\udcfe",
        "a\nb",
        "é",
        "/dev/null",
        "/dev/full",
        ".",
        "..",
        "none.yaml",
    ),
    *("a=1", "=", "a=", "a=[", "x=1e999", "here", "|nor_conv_3x3~0|", "22212220", "(1,2)", "['a']", "{}"),
)


_RIGHT = {
    **{"name": "nasbench201-3", "table": "nasbench201-3", "space": "nasbench201-3", "dataset": "digits"},
    **{"split": "valid", "epochs": "12", "columns": "digits/valid/11,digits/valid/12", "cost": "params"},
    **{"architecture": "|nor_conv_3x3~0|+|skip_connect~0|none~1|", "preset": "quick", "format": "json"},
    **{"out": "made", "jobs": "1", "strategy": "tpe", "strategies": "random-search", "datasets": "digits"},
    **{"axis": "queries", "venue": "iclr", "formats": "svg", "n": "5", "samples": "5", "data": "digits"},
}
"""Parameter -> a value that is right for it, so that the others are met."""


def _commands() -> dict[str, Any]:
    import typer

    found: dict[str, Any] = {}
    waiting: list[tuple[str, Any]] = [("", typer.main.get_command(app))]
    while waiting:
        name, command = waiting.pop()
        below = getattr(command, "commands", None)
        if below:
            waiting += [(f"{name} {key}".strip(), each) for key, each in below.items()]
        else:
            found[name] = command
    return {name: found[name] for name in sorted(found) if name not in _COSTLY}


class CommandLines(Door):
    """Arguments in the form of the command line."""

    name = "command lines"
    share = 1.5
    _found = _commands()

    def prepare(self, folder: Path) -> None:
        (folder / "none").touch()

    def damage(self, seeds: Path, folder: Path, rng: np.random.Generator) -> None:
        names = list(self._found)
        name = names[int(rng.integers(len(names)))]
        words = name.split()
        for parameter in self._found[name].params:
            required = parameter.required or parameter.param_type_name == "argument"
            if rng.random() > (0.9 if required else 0.25):
                continue
            value = self._value(parameter, rng)
            if parameter.param_type_name == "argument":
                words.append(value)
            else:
                option = str(rng.choice([*parameter.opts, *parameter.secondary_opts]))
                words += [option] if parameter.is_flag else [option, value]
        if rng.random() < 0.1:
            words.insert(int(rng.integers(len(words) + 1)), self._word(rng))
        if name == "leaderboard run":  # a study of a thousand trials is no fault
            words += ["--queries", "2", "--seeds", "1"] if rng.random() < 0.7 else ["--queries", "2"]
        (folder / "here").write_bytes(rng.bytes(100))
        (folder / "words.json").write_text(json.dumps(words))

    def _value(self, parameter: Any, rng: np.random.Generator) -> str:
        right = _RIGHT.get(parameter.name)
        return right if right and rng.random() < 0.6 else self._word(rng)

    def _word(self, rng: np.random.Generator) -> str:
        return (
            nasty(rng).replace("\0", "")
            if rng.random() < 0.3
            else str(_WORDS[int(rng.integers(len(_WORDS)))])
        )

    def read(self, folder: Path) -> None:
        run_command(*json.loads((folder / "words.json").read_text()))

    def past_header(self, folder: Path) -> bool:
        # the header of a command line is the name of a command that there is
        words = json.loads((folder / "words.json").read_text())
        return any(words[: len(name.split())] == name.split() for name in self._found)
