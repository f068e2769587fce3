"""``benchkit evaluate``: test accuracy of a finished search's network, as it is or fine-tuned."""

from __future__ import annotations

from pathlib import Path

import typer

from benchkit.cli.output import JSON_OPTION, shortened, show_facts, show_json


def evaluate_command(
    search: Path = typer.Argument(help="Folder of a finished benchkit search."),
    architecture: str = typer.Option(
        "recommended", help="recommended, full (nothing left out), or in the space's notation."
    ),
    fine_tune: int = typer.Option(0, min=0, help="Epochs to train the architecture's weights further."),
    learning_rate: float | None = typer.Option(
        None, help="Rate of fine-tuning; else a tenth of the search's."
    ),
    device: str = typer.Option("auto", help="auto, cpu, cuda or cuda:N."),
    as_json: bool = JSON_OPTION,
) -> None:
    """Measure an architecture of a finished search on test images, with the weights that it inherited."""
    from benchkit.training.evaluate import evaluate_search

    found = evaluate_search(search, architecture, device, fine_tune, learning_rate)
    if as_json:
        return show_json(found)
    show_facts(
        {
            "architecture": shortened(found["architecture"]),
            "parameters": f"{found['parameters']:,} alone",
            "weights": f"fine-tuned for {fine_tune} epochs" if fine_tune else "as inherited",
            **{
                f"{split} images": "none"
                if found[split] is None
                else f"{found[split]['accuracy']:.2f} % of {found[split]['images']:,}"
                for split in ("valid", "test")
            },
        }
    )
    return None
