"""``benchkit space``: what is searched."""

from __future__ import annotations

import typer

from benchkit.cli.output import JSON_OPTION, show_facts, show_json, show_rows

app = typer.Typer(help="Search spaces.", no_args_is_help=True)


@app.command("list")
def list_spaces(as_json: bool = JSON_OPTION) -> None:
    """List the built-in spaces."""
    from benchkit.spaces import get_space, space_names

    spaces = [get_space(name).describe() for name in space_names()]
    if as_json:
        return show_json(spaces)
    rows = [[s["name"], f"{s['length']:,}", _grouped(s["size"]), s.get("source", "")] for s in spaces]
    return show_rows(["space", "choices", "architectures", "source"], rows)


@app.command("info")
def info(name: str = typer.Argument(help="Space."), as_json: bool = JSON_OPTION) -> None:
    """Show a space: its choices, size and source."""
    from benchkit.spaces import get_space

    facts = get_space(name).describe()
    return show_json(facts) if as_json else show_facts(facts)


def _grouped(size: int | str) -> str:
    """Return a number in groups of three digits; one too long for that is a text already, as in 2^864."""
    return f"{size:,}" if isinstance(size, int) else size
