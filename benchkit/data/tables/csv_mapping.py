"""Reads the column file: which column of a CSV file holds which architecture or figure.

What a user names (options, data sets, quantities, notes) is text as it stands there: the option ``0010`` is
not 8 and not 10, and ``null`` is an option like any other.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from benchkit.base.errors import InputError, clipped, shown, unknown
from benchkit.base.yaml_text import read_yaml
from benchkit.data.tables.metric import QUANTITIES, Metric, Quantity

_TEXTS = (
    "architecture", "better", "column", "dataset", "licence", "note", "quantity", "repeats", "source",
    "split", "title", "unit", "variant", "warnings",
)  # fmt: skip


def _as_text(given: Any) -> Any:
    return str(given) if isinstance(given, int | float) else given


def _no_truth_value(given: Any) -> Any:
    if isinstance(given, bool):
        raise ValueError("Input should be a number")
    return given


Text = Annotated[str, BeforeValidator(_as_text)]
"""Text as a user writes it."""
Name = Annotated[Text, Field(min_length=1)]
Whole = Annotated[int, BeforeValidator(_no_truth_value)]
Number = Annotated[float, BeforeValidator(_no_truth_value)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ColumnMapping(_Strict):
    """One column of the CSV file and the metric that it holds.

    Attributes
    ----------
    column : Name of the column.
    dataset, split, epochs, run, quantity, variant : Parts of its `Metric`.
    scale : Factor from the column's figures to those of the table; 100 turns fractions into percent.
    note : Remark for readers of the column.
    unit : Unit of the figures after scaling; empty for that of a known quantity, or for a pure number.
    better : ``higher`` or ``lower``; needed once for each quantity that is not in `QUANTITIES`.
    """

    column: Name
    dataset: Name
    split: Literal["train", "valid", "test"] | None = None
    epochs: Whole | None = Field(default=None, gt=0)
    run: Whole | None = Field(default=None, ge=0)
    quantity: Name = "accuracy"
    variant: Text = ""
    scale: Number = Field(default=1.0, gt=0, allow_inf_nan=False)
    note: Text = ""
    unit: Text = ""
    better: Literal["higher", "lower"] | None = None

    def metric(self) -> Metric:
        return Metric(self.dataset, self.split, self.epochs, self.run, self.quantity, self.variant)


class Mapping(_Strict):
    """Columns of a CSV file as a space and its metrics.

    Attributes
    ----------
    metrics : Columns of figures.
    architecture : Name of the column with the space's notation; None where each choice has a column.
    choices : Options of each choice, in the order of a row; None for a built-in space.
    repeats : ``runs`` where the rows of one architecture are its runs, in the order of the file; None where
        an architecture may have one row only.
    title, source, licence, warnings : Facts for readers of the table.
    """

    metrics: list[ColumnMapping] = Field(min_length=1)
    architecture: Name | None = None
    choices: dict[Text, list[Text]] | None = None
    repeats: Literal["runs"] | None = None
    title: Text = ""
    source: Text = "not stated"
    licence: Text = "not stated"
    warnings: list[Text] = []

    def quantities(self) -> dict[str, Quantity]:
        """Return the unit and the direction of every quantity that is named.

        Raises InputError for an unknown quantity without a direction, and for columns that contradict each
        other or the known quantity.
        """
        return {name: self._quantity(name) for name in dict.fromkeys(each.quantity for each in self.metrics)}

    def _quantity(self, name: str) -> Quantity:
        columns = [each for each in self.metrics if each.quantity == name]
        known = QUANTITIES.get(name)
        unit = _agreed(name, "unit", {each.column: each.unit for each in columns if each.unit})
        better = _agreed(name, "better", {each.column: each.better for each in columns if each.better})
        if known is None:
            if better is None:
                hint = unknown("quantity", name, QUANTITIES, "which the direction is known")
                raise InputError(
                    f"{hint}; give another one's column, here {columns[0].column}, better: higher or "
                    f"better: lower, and its unit: if it has one"
                )
            return Quantity(unit or "", better == "higher")
        if unit is not None and unit != known.unit:
            raise InputError(
                f"column {columns[0].column}: {name} is in {known.unit}, not in {shown(unit)}: scale: turns "
                f"one into the other, or give the quantity another name"
            )
        direction = "higher" if known.higher_is_better else "lower"
        if better not in (None, direction):
            raise InputError(
                f"column {columns[0].column}: {direction} {name} is better, not {better}: give the quantity "
                f"another name if it is something else"
            )
        return known


def _agreed(quantity: str, key: str, stated: dict[str, str]) -> str | None:
    """Return what the columns of one quantity say of it; None where none says anything."""
    values = list(dict.fromkeys(stated.values()))
    if len(values) > 1:
        said = ", ".join(f"{column} says {shown(value)}" for column, value in stated.items())
        raise InputError(f"columns of one quantity, {quantity}, must have one {key}: {said}")
    return values[0] if values else None


def load_mapping(path: Path) -> Mapping:
    """Read the YAML file that describes a CSV file; raise InputError where it is none or has other keys."""
    data = read_yaml(path, "mapping", texts=_TEXTS, verbatim=("choices",))
    try:
        return Mapping.model_validate(data)
    except ValidationError as error:
        # an unknown key explains the missing one that was meant
        first = min(error.errors(), key=lambda each: each["type"] != "extra_forbidden")
        if first["type"] == "extra_forbidden":
            model: type[BaseModel] = Mapping if len(first["loc"]) == 1 else ColumnMapping
            text = str(unknown("key", first["loc"][-1], model.model_fields, "this part of a mapping"))
            raise InputError(f"{path}: {text}") from error
        place = clipped(".".join(map(str, first["loc"]))) or "the file"
        given = "" if first["type"] == "missing" else f" (got {shown(first['input'])})"
        said = first["msg"].removeprefix("Value error, ")
        raise InputError(f"{path}: {place}: {said}{given}") from error
