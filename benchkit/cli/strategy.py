"""``benchkit strategy``: how it is searched."""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import Any

import typer

from benchkit.cli.output import JSON_OPTION, show_facts, show_json, show_rows

app = typer.Typer(help="How it is searched: the strategies.", no_args_is_help=True)


def _strategy(name: str) -> Any:
    """Return the class of a strategy of either kind."""
    from benchkit.strategies import get_strategy, get_weight_sharing, weight_sharing_names

    return get_weight_sharing(name) if name in weight_sharing_names() else get_strategy(name)


def _facts(name: str) -> dict[str, Any]:
    strategy = _strategy(name)
    defaults = {
        field.name: field.default if field.default is not MISSING else "given by the runner"
        for field in fields(strategy.Hyperparameters)
    }
    return {
        "name": name,
        "citation": strategy.citation,
        "needs_complete_space": strategy.needs_complete,
        "multi_fidelity": strategy.multi_fidelity,
        "hyperparameters": defaults,
        "presets": strategy.presets,
    }


@app.command("list")
def list_strategies(as_json: bool = JSON_OPTION) -> None:
    """List the strategies."""
    from benchkit.strategies import strategy_names, weight_sharing_names

    strategies = [_facts(name) for name in (*strategy_names(), *weight_sharing_names())]
    if as_json:
        return show_json(strategies)
    rows = [[s["name"], s["citation"]] for s in strategies]
    return show_rows(["strategy", "source"], rows)


@app.command("info")
def info(name: str = typer.Argument(help="Strategy."), as_json: bool = JSON_OPTION) -> None:
    """Show a strategy: its source, hyperparameters, published presets, and the choices made."""
    import sys

    facts = _facts(name)
    if as_json:
        return show_json(facts)
    facts["hyperparameters"] = [f"{key} = {value}" for key, value in facts["hyperparameters"].items()]
    facts["presets"] = [f"{key}: {value}" for key, value in facts["presets"].items()]
    show_facts(facts)
    typer.echo("\n" + (sys.modules[_strategy(name).__module__].__doc__ or "").strip())
    return None
