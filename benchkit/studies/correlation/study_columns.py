"""Reads columns of supernets: predictions that finished studies keep, beside the columns of their table.

``TRAINING`` is the last checkpoint of a training on as many images as the study gave it, ``TRAINING/EPOCH``
any checkpoint on the number of images that all checkpoints have (`benchkit.studies.correlation.study`).
Where several studies have a training of one name, the study's is put before it: ``STUDY:TRAINING``.

Choices
-------
- Studies are put side by side by architecture, and a pair of columns has those that both have. They must be
  held against the same table, by its SHA-256; methods, networks and data may differ.
- The table's columns are read from the table, so that any of them can be named, and have their noise ceiling.
  Where the table is not on this computer (or has changed), the figures that the study kept serve, without.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchkit.base.columnar import read_parquet
from benchkit.base.errors import InputError, blamed_on, unknown
from benchkit.base.frames import read_frame
from benchkit.data.tables.catalogue import open_table
from benchkit.data.tables.metric import QUANTITIES, Metric, Quantity
from benchkit.studies.correlation.kept import SCATTER, SCORES, read_settings
from benchkit.studies.correlation.table_columns import Columns, TableColumns, Values, label_of
from benchkit.studies.correlation.truth import ANY_SPLIT

if TYPE_CHECKING:
    import pandas as pd

    Column = pd.Series[float]


@dataclass(frozen=True, eq=False)
class _Study:
    """One finished study.

    Attributes
    ----------
    table : Name and SHA-256 of its table.
    supernets : Prediction for each architecture, by training and epoch; no epoch is the last checkpoint.
    truths : Figures of each architecture, by the name of the table's column.
    quantities : Unit and direction of each of these columns.
    """

    table: dict[str, Any]
    supernets: dict[tuple[str, int | None], Column]
    truths: dict[str, Column]
    quantities: dict[str, Quantity]


def columns_of_studies(folders: Sequence[Path], wanted: Sequence[str] | None = None) -> Columns:
    """Return what supernets predict, and the figures of the table that they are held against.

    Parameters
    ----------
    folders : Folders of finished studies of ``benchkit correlate``.
    wanted : Names of columns; None is what the studies were held against, and the last checkpoint of every
        training.

    Raises
    ------
    InputError : a folder without a finished study, studies that are held against different tables, or no such
        column.
    """
    studies = {}
    for name, folder in distinct_names(folders).items():
        with blamed_on(f"the study in {folder}"):
            studies[name] = _read(folder)
    table = next(iter(studies.values())).table
    if any(study.table["sha256"] != table["sha256"] for study in studies.values()):
        raise InputError("the studies are held against different tables: compare those of one table")
    source = _StudyColumns(studies, table)
    names = source.default if wanted is None else list(dict.fromkeys(wanted))
    about = {"table": table, "n": len(source.architectures), "studies": list(studies)}
    return Columns.read(source, names, about, source.notes)


def distinct_names(folders: Sequence[Path]) -> dict[str, Path]:
    """Return folders by the first part of their paths, from the end, in which all differ.

    Raises
    ------
    InputError : a folder is given twice.
    """
    paths = [folder.resolve() for folder in folders]
    if len(set(paths)) < len(paths):
        raise InputError("a folder is given twice")
    for depth in range(1, max(len(path.parts) for path in paths)):
        names = [path.parts[-depth] if depth < len(path.parts) else "" for path in paths]
        if len(set(names)) == len(names) and all(names):
            return dict(zip(names, folders, strict=True))
    return {str(folder): folder for folder in folders}


def _read(folder: Path) -> _Study:
    import pandas as pd

    settings, result = read_settings(folder)
    scores = read_parquet(folder / "scores.parquet", SCORES, "scores").to_pandas()
    kept = read_frame(folder / "scatter.csv", SCATTER, "points")
    kept = kept.drop_duplicates("architecture").set_index("architecture")
    truths, quantities = {}, {}
    for truth in result["truths"]:
        more = {key: truth.pop(key, None) for key in ("runs", "unit", "better")}
        metric = Metric(**truth)
        name = label_of(metric)
        truths[name] = kept[f"table_{metric.split or ANY_SPLIT}"]
        # studies of accuracy alone did not state unit and direction
        known = Quantity(more["unit"], more["better"] == "higher") if more["better"] else None
        quantities[name] = known or QUANTITIES[metric.quantity]
    supernets: dict[tuple[str, int | None], Column] = {}
    for training, mine in scores.groupby("training", sort=False, observed=True):
        final = mine["epoch"].max()
        for (epoch, images), rows in mine.groupby(["epoch", "images"], sort=False):
            column = pd.Series(
                rows["supernet_accuracy"].to_numpy(), index=rows["architecture"].astype(str).to_numpy()
            )
            if epoch == final and images == settings["final_images"]:
                supernets[str(training), None] = column
            if images == settings["images"]:
                supernets[str(training), epoch] = column
    return _Study(settings["table"], supernets, truths, quantities)


class _StudyColumns:
    """The columns of several studies; what they kept serves where their table is not here.

    Parameters
    ----------
    studies : Studies by name.
    table : Name and SHA-256 of their table.

    Attributes
    ----------
    architectures : Architectures of all studies.
    default : Names that are taken where none are named.
    notes : Notes for whoever reads the figures.
    """

    def __init__(self, studies: dict[str, _Study], table: dict[str, Any]) -> None:
        self._supernets: dict[str, Column] = {}
        self._kept: dict[str, Column] = {}
        self._quantities: dict[str, Quantity] = {}
        last = []
        trainings = [training for study in studies.values() for training, at in study.supernets if at is None]
        for label, study in studies.items():
            for (training, epoch), column in study.supernets.items():
                name = training if trainings.count(training) < 2 else f"{label}:{training}"
                self._supernets[name if epoch is None else f"{name}/{epoch}"] = column
                last += [name] if epoch is None else []
            for name, column in study.truths.items():
                self._kept[name] = self._kept[name].combine_first(column) if name in self._kept else column
            self._quantities |= study.quantities
        self.default = [*self._kept, *last]
        self.architectures = list(
            dict.fromkeys(each for column in self._supernets.values() for each in column.index)
        )
        self.notes: tuple[str, ...] = (f"table {table['name']} of the study is not here: no noise ceilings",)
        self._table: TableColumns | None = None
        try:
            found = open_table(table["name"])
        except InputError:
            return
        if found.sha256 == table["sha256"]:
            self.notes = ()
            with blamed_on("the studies"):  # architectures of another space
                rows = found.locate(np.stack([found.base_space.parse(each) for each in self.architectures]))
            self._table = TableColumns(found, rows)

    def _in_table(self, name: str) -> TableColumns | None:
        """Return the table's columns where one of them has this name, and no supernet has."""
        there = self._table is not None and name in self._table and name not in self._supernets
        return self._table if there else None

    def values(self, name: str) -> Values:
        """Return float64[architectures], NaN where one is missing.

        Raises
        ------
        InputError : no such column.
        """
        table = self._in_table(name)
        if table is not None:
            return table.values(name)
        column = self._supernets.get(name, self._kept.get(name))
        if column is None:
            raise unknown("column", name, [*self._kept, *self._supernets], "the studies")
        return np.asarray(column.reindex(self.architectures), dtype=np.float64)

    def runs(self, name: str) -> Values:
        """Return float64[runs, architectures]; no runs for what has none, or is kept alone."""
        table = self._in_table(name)
        return np.empty((0, len(self.architectures))) if table is None else table.runs(name)

    def quantity(self, name: str) -> Quantity:
        """Return the unit and the direction of a column."""
        table = self._in_table(name)
        if table is not None:
            return table.quantity(name)
        return QUANTITIES["accuracy"] if name in self._supernets else self._quantities[name]
