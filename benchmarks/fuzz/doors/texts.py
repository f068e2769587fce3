"""Doors of texts: CSV files, their column files, studies, and architectures of every space."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from benchkit.data.tables import open_table
from benchkit.data.tables.csv_import import import_csv, load_mapping
from benchkit.spaces import get_space, space_names
from benchkit.studies.plan import make_plan
from benchkit.studies.spec import StudySpec, load_study
from benchmarks.fuzz.damage_bytes import damage_bytes, damage_text, nasty
from benchmarks.fuzz.damage_tree import damage_tree
from benchmarks.fuzz.door import Door

__all__ = ["COLUMNS", "CSV", "Architectures", "CSVFiles", "ColumnFiles", "StudyFiles"]

CSV = """op0,op1,val,val_1,test,ppl
conv,conv,90.1,90.3,89.0,1.5
conv,skip,91.2,,90.5,2.5
skip,conv,88,87.5,87.1,-3
skip,skip,85.5,85.1,84,0.5
none,conv,70.25,70,70,4e2
none,skip,10,11,10,7
"""
COLUMNS: dict[str, Any] = {
    "choices": {"op0": ["conv", "skip", "none"], "op1": ["conv", "skip"]},
    "metrics": [
        {"column": "val", "dataset": "cifar10", "split": "valid", "epochs": 50, "run": 0},
        {"column": "val_1", "dataset": "cifar10", "split": "valid", "epochs": 50, "run": 1},
        {"column": "test", "dataset": "cifar10", "split": "test", "epochs": 50},
        {"column": "ppl", "dataset": "cifar10", "split": "valid", "epochs": 50, "quantity": "loss"},
    ],
    "source": "made here",
    "licence": "CC0",
}
STUDY: dict[str, Any] = {
    "name": "some",
    "table": "nasbench201-3",
    "datasets": ["digits"],
    "search": {"split": "valid", "epochs": 12, "score": "mean"},
    "report": {"epochs": 12, "valid": "mean", "test": "mean"},
    "budget": {"queries": 20},
    "seeds": 3,
    "strategies": [
        "random-search",
        {"name": "regularized-evolution", "label": "evolution", "options": {"population": 5, "sample": 2}},
        {"name": "reinforce", "options": {"learning_rate": 0.1}},
        {"name": "pcnas"},
    ],
    "constraint": {"cost": "params", "max": 0.4},
    "notes": ["a note"],
}


def _write(path: Path, text: str, rng: np.random.Generator) -> None:
    data = text.encode("utf-8", "surrogatepass")
    path.write_bytes(damage_bytes(data, rng) if rng.random() < 0.1 else data)


class CSVFiles(Door):
    """Results of a user's own, with a column file that is right."""

    name = "csv"

    def prepare(self, folder: Path) -> None:
        (folder / "columns.yaml").write_text(yaml.safe_dump(COLUMNS))

    def damage(self, seeds: Path, folder: Path, rng: np.random.Generator) -> None:
        rows = list(csv.reader(io.StringIO(CSV)))
        kind = rng.random()
        if kind < 0.5:
            for _ in range(int(rng.integers(1, 4))):
                row = rows[int(rng.integers(1, len(rows)))]
                row[int(rng.integers(len(row)))] = nasty(rng)
            text = "\n".join(str(rng.choice([",", ",", ";", "\t"])).join(row) for row in rows)
        elif kind < 0.75:
            head, _, rest = CSV.partition("\n")
            text = f"{head}\n{damage_text(rest, rng)}"
        else:
            text = damage_text(CSV, rng)
        encoding = str(rng.choice(["utf-8", "utf-8", "utf-8", "utf-16", "utf-8-sig", "latin-1"]))
        (folder / "results.csv").write_bytes(text.encode(encoding, "replace"))
        (folder / "columns.yaml").write_bytes((seeds / "columns.yaml").read_bytes())

    def read(self, folder: Path) -> None:
        mapping = load_mapping(folder / "columns.yaml")
        import_csv(folder / "results.csv", mapping, folder / "made.arrow", "made")

    def past_header(self, folder: Path) -> bool:
        data = (folder / "results.csv").read_bytes()
        text = data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
        return {"op0", "op1", "val", "test"} <= set(
            text.splitlines()[0].replace(";", ",").replace("\t", ",").split(",")
        )


class ColumnFiles(Door):
    """Column files, with results that are right."""

    name = "columns yaml"

    def prepare(self, folder: Path) -> None:
        (folder / "results.csv").write_text(CSV)

    def damage(self, seeds: Path, folder: Path, rng: np.random.Generator) -> None:
        (folder / "results.csv").write_bytes((seeds / "results.csv").read_bytes())
        _write(folder / "columns.yaml", damaged_yaml(COLUMNS, rng), rng)

    def read(self, folder: Path) -> None:
        mapping = load_mapping(folder / "columns.yaml")
        import_csv(folder / "results.csv", mapping, folder / "made.arrow", "made")

    def past_header(self, folder: Path) -> bool:
        return isinstance(yaml.safe_load((folder / "columns.yaml").read_text()), dict)


def damaged_yaml(document: dict[str, Any], rng: np.random.Generator) -> str:
    """Return a YAML text with faults in its structure or in its letters."""
    tree = damage_tree(document, rng) if rng.random() < 0.8 else document
    text: str = yaml.safe_dump(tree, sort_keys=False, allow_unicode=True)
    return damage_text(text, rng) if tree is document or rng.random() < 0.1 else text


class StudyFiles(Door):
    """Specifications of studies: read, and expanded to trials."""

    name = "study yaml"

    def prepare(self, folder: Path) -> None:
        (folder / "none").touch()

    def damage(self, seeds: Path, folder: Path, rng: np.random.Generator) -> None:
        _write(folder / "study.yaml", damaged_yaml(STUDY, rng), rng)

    def read(self, folder: Path) -> None:
        spec = load_study(str(folder / "study.yaml"))
        if isinstance(spec, StudySpec):
            make_plan(spec, open_table(spec.table))
            spec.to_yaml()

    def past_header(self, folder: Path) -> bool:
        return isinstance(yaml.safe_load((folder / "study.yaml").read_text()), dict)


class Architectures(Door):
    """The notation of every space."""

    name = "architectures"
    share = 1.5
    _spaces = tuple(name for name in space_names())

    def prepare(self, folder: Path) -> None:
        for number, name in enumerate(self._spaces):
            space = get_space(name)
            batch = space.sample(np.random.default_rng(number), 3)
            lines = [space.format(row) for row in batch]
            (folder / f"{number}.txt").write_text("\n\n".join(lines))

    def damage(self, seeds: Path, folder: Path, rng: np.random.Generator) -> None:
        number = int(rng.integers(len(self._spaces)))
        texts = (seeds / f"{number}.txt").read_text().split("\n\n")
        text = texts[int(rng.integers(len(texts)))]
        whole = text
        while text == whole:
            text = damage_text(text, rng)
        if rng.random() < 0.03:
            text = "(" * 5000 + text
        (folder / "space.txt").write_text(self._spaces[number])
        (folder / "text.txt").write_bytes(text.encode("utf-8", "surrogatepass"))

    def read(self, folder: Path) -> None:
        space = get_space((folder / "space.txt").read_text())
        text = (folder / "text.txt").read_bytes().decode("utf-8", "surrogatepass")
        row = space.parse(text)
        space.validate(row[None])
        space.format(row)

    def past_header(self, folder: Path) -> bool:
        # a notation has no header: a text that still begins as one of its space does counts
        space = get_space((folder / "space.txt").read_text())
        first = space.format(space.sample(np.random.default_rng(0), 1)[0])
        return (folder / "text.txt").read_text(errors="replace")[:1] in (first[:1], *"0123456789|(")
