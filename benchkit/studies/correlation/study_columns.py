"""What supernets predict, as columns: of finished studies of rank correlation, beside their table's columns.

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

__all__ = ["columns_of_studies", "distinct_names"]


@dataclass(frozen=True, eq=False)
class _Study:
    """One finished study.

    Attributes
    ----------
    settings : what ``correlation.json`` holds.
    supernets : by name, what each checkpoint predicts of each architecture.
    last : the names of the last checkpoints.
    truths : by the name of the table's column, what it has of each architecture.
    quantities : Unit and direction of each of them.
    """

    settings: dict[str, Any]
    supernets: dict[str, pd.Series[float]]
    last: list[str]
    truths: dict[str, pd.Series[float]]
    quantities: dict[str, Quantity]


def columns_of_studies(folders: Sequence[Path], wanted: Sequence[str] | None = None) -> Columns:
    """Return what supernets predict, and the figures of the table that they are held against.

    Parameters
    ----------
    folders : of finished studies of ``benchkit correlate``.
    wanted : names of columns; None is what the studies were held against, and the last
        checkpoint of every training.

    Raises
    ------
    InputError : a folder without a finished study, studies that are held against different tables, or no such
        column.
    """
    studies = {}
    for name, folder in distinct_names(folders).items():
        with blamed_on(f"the study in {folder}"):
            studies[name] = _read(folder)
    first, *others = studies.values()
    for other in others:
        if other.settings["table"]["sha256"] != first.settings["table"]["sha256"]:
            raise InputError("the studies are held against different tables: compare those of one table")
    supernets, last = _supernets(studies)
    truths = _together(studies)
    architectures = list(dict.fromkeys(each for column in supernets.values() for each in column.index))
    known = {name: quantity for study in studies.values() for name, quantity in study.quantities.items()}
    found = _TruthColumns(first.settings["table"], truths, known, architectures)
    names = [*truths, *last] if wanted is None else list(dict.fromkeys(wanted))
    values: dict[str, Values] = {}
    runs: dict[str, Values] = {}
    quantities: dict[str, Quantity] = {}
    for name in names:
        quantities[name] = QUANTITIES["accuracy"] if name in supernets else found.quantity(name)
        if name in supernets:
            values[name] = np.asarray(supernets[name].reindex(architectures), dtype=np.float64)
        elif name in found:
            values[name] = found.values(name)
            several = found.runs(name)
            if len(several) > 1:
                runs[name] = several
        else:
            raise unknown("column", name, [*truths, *supernets], "the studies")
    about = {"table": first.settings["table"], "n": len(architectures), "studies": list(studies)}
    units = {name: quantity.unit for name, quantity in quantities.items()}
    lower = frozenset(name for name, quantity in quantities.items() if not quantity.higher_is_better)
    return Columns(values, runs, about, found.notes, units, lower)


def distinct_names(folders: Sequence[Path]) -> dict[str, Path]:
    """Return folders by the first part of their paths, from the end, in which all differ.

    Raises
    ------
    InputError : a folder is given twice.
    """
    paths = [folder.resolve() for folder in folders]
    if len(set(paths)) < len(paths):
        raise InputError("a folder is given twice")
    deepest = max(len(path.parts) for path in paths)
    for depth in range(1, deepest):
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
    with blamed_on(f"the study in {folder}"):
        truths = {
            label_of(_metric(each)): kept[f"table_{each['split'] or ANY_SPLIT}"] for each in result["truths"]
        }
        quantities = {label_of(_metric(each)): _quantity(each) for each in result["truths"]}
    supernets: dict[str, pd.Series[float]] = {}
    last: list[str] = []
    for training, mine in scores.groupby("training", sort=False, observed=True):
        final = mine["epoch"].max()
        for (epoch, images), rows in mine.groupby(["epoch", "images"], sort=False):
            column = pd.Series(
                rows["supernet_accuracy"].to_numpy(), index=rows["architecture"].astype(str).to_numpy()
            )
            if epoch == final and images == settings["final_images"]:
                supernets[str(training)] = column
                last.append(str(training))
            if images == settings["images"]:
                supernets[f"{training}/{epoch}"] = column
    return _Study(settings, supernets, last, truths, quantities)


def _metric(truth: dict[str, Any]) -> Metric:
    return Metric(**{key: value for key, value in truth.items() if key not in ("runs", "unit", "better")})


def _quantity(truth: dict[str, Any]) -> Quantity:
    """Return unit and direction of a truth; studies of accuracy alone did not state them."""
    if "better" in truth:
        return Quantity(truth["unit"], truth["better"] == "higher")
    return QUANTITIES[truth.get("quantity", "accuracy")]


def _supernets(studies: dict[str, _Study]) -> tuple[dict[str, pd.Series[float]], list[str]]:
    """Return all checkpoints by name, and the names of the last ones."""
    trainings = [name for study in studies.values() for name in study.last]
    shared = {name for name in trainings if trainings.count(name) > 1}
    supernets: dict[str, pd.Series[float]] = {}
    last: list[str] = []
    for label, study in studies.items():
        for name, column in study.supernets.items():
            training = next(each for each in study.last if name == each or name.rpartition("/")[0] == each)
            full = f"{label}:{name}" if training in shared else name
            supernets[full] = column
            if name in study.last:
                last.append(full)
    return supernets, last


def _together(studies: dict[str, _Study]) -> dict[str, pd.Series[float]]:
    """Return the figures that the studies kept, of all their architectures."""
    truths: dict[str, pd.Series[float]] = {}
    for study in studies.values():
        for name, column in study.truths.items():
            truths[name] = column if name not in truths else truths[name].combine_first(column)
    return truths


class _TruthColumns:
    """The table's columns for the architectures of studies; those that they kept where it is not here."""

    def __init__(
        self,
        about: dict[str, Any],
        kept: dict[str, pd.Series[float]],
        quantities: dict[str, Quantity],
        architectures: list[str],
    ) -> None:
        self._kept, self._quantities, self._architectures = kept, quantities, architectures
        self._columns: TableColumns | None = None
        self.notes: tuple[str, ...] = ()
        try:
            table = open_table(about["name"])
        except InputError:
            table = None
        if table is None or table.sha256 != about["sha256"]:
            self.notes = (f"table {about['name']} of the study is not here: no noise ceilings",)
            return
        self._columns = TableColumns(table)
        with blamed_on("the studies"):  # architectures of another space
            self._rows = table.locate(np.stack([table.base_space.parse(each) for each in architectures]))

    def __contains__(self, name: str) -> bool:
        return name in self._kept or (self._columns is not None and name in self._columns)

    def quantity(self, name: str) -> Quantity:
        """Return unit and direction; those of accuracy for a name that is not there."""
        if self._columns is not None and name in self._columns:
            return self._columns.table.quantity(self._columns.metric(name))
        return self._quantities.get(name, QUANTITIES["accuracy"])

    def values(self, name: str) -> Values:
        if self._columns is not None and name in self._columns:
            return self._columns.values(name)[self._rows]
        return np.asarray(self._kept[name].reindex(self._architectures), dtype=np.float64)

    def runs(self, name: str) -> Values:
        if self._columns is not None and name in self._columns:
            return self._columns.runs(name)[:, self._rows]
        return np.empty((0, len(self._architectures)))
