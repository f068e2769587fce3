"""``benchkit strategy``: how it is searched."""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import Any

import typer

from benchkit.cli.output import JSON_OPTION, show_facts, show_json, show_rows

app = typer.Typer(help="How it is searched: the strategies.", no_args_is_help=True)


_KINDS = {"table": "asks tables", "supernet": "trains a supernet"}


def _kinds(name: str) -> dict[str, Any]:
    """Return the classes of that name: of a strategy that asks tables, that trains a supernet, or both.

    Raises
    ------
    InputError : there is neither; it lists those there are.
    """
    from benchkit.base.errors import unknown
    from benchkit.strategies import get_strategy, get_weight_sharing, strategy_names, weight_sharing_names

    sides = {
        "table": (strategy_names(), get_strategy),
        "supernet": (weight_sharing_names(), get_weight_sharing),
    }
    found = {kind: get(name) for kind, (names, get) in sides.items() if name in names}
    if not found:
        raise unknown("strategy", name, list(dict.fromkeys([*strategy_names(), *weight_sharing_names()])))
    return found


def _facts(name: str, kind: str, strategy: Any) -> dict[str, Any]:
    defaults = {
        field.name: field.default if field.default is not MISSING else "given by the runner"
        for field in fields(strategy.Hyperparameters)
    }
    return {
        "name": name,
        "kind": kind,
        "citation": strategy.citation,
        "needs_complete_space": strategy.needs_complete,
        "multi_fidelity": strategy.multi_fidelity,
        "takes_constraint": strategy.takes_constraint,
        "hyperparameters": defaults,
        "presets": strategy.presets,
    }


@app.command("list")
def list_strategies(as_json: bool = JSON_OPTION) -> None:
    """List the strategies."""
    from benchkit.strategies import strategy_names, weight_sharing_names

    names = dict.fromkeys([*strategy_names(), *weight_sharing_names()])
    strategies = [_facts(name, kind, each) for name in names for kind, each in _kinds(name).items()]
    if as_json:
        return show_json(strategies)
    rows = [[s["name"], _KINDS[s["kind"]], s["citation"]] for s in strategies]
    return show_rows(["strategy", "kind", "source"], rows)


@app.command("info")
def info(name: str = typer.Argument(help="Strategy."), as_json: bool = JSON_OPTION) -> None:
    """Show a strategy: its source, hyperparameters, published presets, and the choices made.

    Some methods both ask tables and train supernets: each has its own hyperparameters.
    """
    import sys

    kinds = _kinds(name)
    if as_json:
        return show_json({kind: _facts(name, kind, strategy) for kind, strategy in kinds.items()})
    for number, (kind, strategy) in enumerate(kinds.items()):
        facts = _facts(name, kind, strategy)
        facts["kind"] = _KINDS[kind]
        facts["hyperparameters"] = [f"{key} = {value}" for key, value in facts["hyperparameters"].items()]
        facts["presets"] = [f"{key}: {value}" for key, value in facts["presets"].items()]
        if number:
            typer.echo("\n" + "-" * 80 + "\n")
        show_facts(facts)
        typer.echo("\n" + (sys.modules[strategy.__module__].__doc__ or "").strip())
    return None
