"""What a user calls params, flops and latency is found wherever a table's column says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchkit import open_table
from benchkit.base.errors import InputError
from benchkit.data.tables.costs import costs_of, find_cost
from benchkit.data.tables.metric import QUANTITIES, Metric
from benchkit.data.tables.table import Table
from benchkit.data.tables.write import Column, TableSource, write_table
from benchkit.spaces.categorical import CategoricalSpace

SPACE = CategoricalSpace("kernels", {"kernel": ["1", "3"], "depth": ["2", "4"]})
SIZES = np.array([1.5, 2.0, 2.5, 4.0])


def table_with(tmp_path: Path, costs: dict[Metric, Column], static: dict[str, Any] | None = None) -> Table:
    """A table of four networks with accuracy on cifar10 and cifar100, and these costs."""
    metrics = {
        Metric(dataset, "valid", 10): Column(np.array([60.0, 70.0, 80.0, 90.0]))
        for dataset in ("cifar10", "cifar100")
    }
    path = tmp_path / "costs.arrow"
    source = TableSource("costs", SPACE, "", "", "", {})
    write_table(path, source, SPACE.at(np.arange(4)), {**metrics, **costs}, static)
    return open_table(path)


def cost_of(quantity: str, values: Any, unit: str = "", dataset: str = "cifar10") -> dict[Metric, Column]:
    metric = Metric(dataset, None, None, quantity=quantity)
    if quantity in QUANTITIES:
        return {metric: Column(values, unit=unit)}
    return {metric: Column(values, unit=unit, better="lower")}


@pytest.mark.parametrize(
    ("cost", "quantity", "unit", "stored"),
    [
        ("params", "parameters", "", SIZES * 1e6),
        ("params", "params", "", SIZES * 1e6),
        ("params", "params", "M", SIZES),
        ("params", "num_params", "count", SIZES * 1e6),
        ("params", "params_million", "", SIZES),
        ("params", "#Params (M)", "", SIZES),
        ("flops", "flops", "", SIZES * 1e6),
        ("flops", "GFLOPs", "", SIZES / 1e3),
        ("flops", "flops", "MFLOPs", SIZES),
        ("flops", "MACs", "G", SIZES / 1e3),
        ("flops", "multiply_adds", "millions", SIZES),
        ("flops", "mult-adds", "M", SIZES),
        ("latency", "latency_seconds", "", SIZES / 1e3),
        ("latency", "latency", "s", SIZES / 1e3),
        ("latency", "latency", "ms", SIZES),
        ("latency", "latency_ms", "", SIZES),
        ("latency", "inference time", "us", SIZES * 1e3),
        ("latency", "latency_pixel3", "ms", SIZES),
        ("train-seconds", "train_time", "ms", SIZES * 1e3),
        ("train-seconds", "training_hours", "", SIZES / 3600),
        ("energy", "energy", "Wh", SIZES * 1e3),
    ],
)
def test_a_cost_is_found_by_its_names_and_in_its_unit(
    tmp_path: Path, cost: str, quantity: str, unit: str, stored: Any
) -> None:
    found = find_cost(table_with(tmp_path, cost_of(quantity, stored, unit)), cost, "cifar10")
    np.testing.assert_allclose(found.values, SIZES, rtol=1e-12)
    assert found.metric is not None
    assert found.quantity == quantity
    np.testing.assert_allclose(found.values / found.factor, stored)


@pytest.mark.parametrize(
    "quantity", ["train_loss", "accuracy_of_inference", "size_mb", "parameterless", "macsim"]
)
def test_other_words_are_no_costs(tmp_path: Path, quantity: str) -> None:
    table = table_with(tmp_path, cost_of(quantity, SIZES, "s"))
    assert costs_of(table, "cifar10") == []


def test_columns_of_no_data_set_static_ones_and_those_of_another_data_set(tmp_path: Path) -> None:
    whole = SIZES * 1e6
    own = cost_of("params", whole)
    free = cost_of("params", whole + 10, dataset="")
    static = {"n_params": (whole + 20).astype(np.int64), "params_disagree": np.array([True, False] * 2)}
    other = cost_of("params", whole + 30, dataset="cifar100")

    def first(*costs: dict[Metric, Column], static: dict[str, Any] | None = None) -> int:
        merged = {metric: column for part in costs for metric, column in part.items()}
        found = find_cost(table_with(tmp_path, merged, static), "params", "cifar10")
        return int(found.values[0] * 1e6 + 0.5)

    assert first(own, free, other, static=static) == 1_500_000
    assert first(free, other, static=static) == 1_500_010
    assert first(other, static=static) == 1_500_020
    assert first(other) == 1_500_030
    elsewhere = table_with(tmp_path, other)
    assert "for want of one on cifar10" in find_cost(elsewhere, "params", "cifar10").source
    with pytest.raises(InputError, match="unknown cost 'params' for table costs on cifar10"):
        find_cost(elsewhere, "params", "cifar10", elsewhere=False)


def test_the_plainest_name_and_the_longest_training_go_first(tmp_path: Path) -> None:
    columns = {
        **cost_of("latency_pixel3", SIZES, "ms"),
        **cost_of("latency", SIZES * 2, "ms"),
        Metric("cifar10", None, 5, quantity="train_seconds"): Column(SIZES),
        Metric("cifar10", None, 10, quantity="train_seconds"): Column(SIZES * 3),
    }
    table = table_with(tmp_path, columns)
    assert find_cost(table, "latency", "cifar10").values[0] == 3
    assert find_cost(table, "latency_pixel3", "cifar10").values[0] == 1.5
    assert find_cost(table, "train-seconds", "cifar10").values[0] == 4.5
    assert find_cost(table, "train-seconds", "cifar10", epochs=5).values[0] == 1.5
    assert costs_of(table, "cifar10") == ["latency", "train-seconds"]


def test_what_cannot_be_told_is_refused_with_the_remedy(tmp_path: Path) -> None:
    two = {**cost_of("latency_phone", SIZES, "ms"), **cost_of("latency_board", SIZES, "ms")}
    with pytest.raises(
        InputError, match=r"several columns of latency.*latency_phone.*latency_board|board.*phone"
    ):
        find_cost(table_with(tmp_path, two), "latency", "cifar10")
    with pytest.raises(InputError, match="does not say in which unit it is"):
        find_cost(table_with(tmp_path, cost_of("latency", SIZES)), "latency", "cifar10")
    with pytest.raises(InputError, match="does not say in which unit it is"):
        find_cost(table_with(tmp_path, cost_of("params", SIZES)), "params", "cifar10")
    whole = np.array([1.0, 2.0, 3.0, 4.0])  # millions, in all likelihood
    with pytest.raises(InputError, match="does not say in which unit it is"):
        find_cost(table_with(tmp_path, cost_of("params", whole)), "params", "cifar10")
    averaged = find_cost(table_with(tmp_path, cost_of("params", SIZES * 1e6 + 0.5)), "params", "cifar10")
    np.testing.assert_allclose(averaged.values, SIZES, rtol=1e-6)
    with pytest.raises(InputError, match="in 'MB', which is no unit of params"):
        find_cost(table_with(tmp_path, cost_of("params", SIZES, "MB")), "params", "cifar10")
    with pytest.raises(InputError, match="it has params"):
        find_cost(table_with(tmp_path, cost_of("params", SIZES, "M")), "latency", "cifar10")


def test_the_embedded_tables_keep_their_columns() -> None:
    table = open_table("nasbench201")
    assert costs_of(table, "cifar100") == ["params", "latency", "train-seconds"]
    latency = find_cost(table, "latency", "cifar100")
    assert latency.name == "cifar100.latency_seconds"
    np.testing.assert_array_equal(latency.values, table.values(latency.metric) * 1e3)  # type: ignore[arg-type]
    assert find_cost(open_table("nasbench-macro"), "flops", "cifar10").label == "multiply-adds (millions)"
