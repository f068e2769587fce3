"""Constraints as the runner builds them: columns, counts, look-up tables, and what cannot be used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchkit.base.errors import InputError
from benchkit.data.latency import LatencyLookup
from benchkit.data.tables import Metric, Table, open_table
from benchkit.data.tables.write import Column, TableSource, write_table
from benchkit.searching.constraints import (
    LatencyConstraint,
    TableConstraint,
    check_limits,
    describe_constraint,
    feasible_entries,
    network_constraint,
    table_constraint,
)
from benchkit.spaces import get_space
from benchkit.spaces.categorical import CategoricalSpace
from benchkit.strategies.rejection import AllOf
from tests.lookups import flat_lookup

# -- columns of tables -----------------------------------------------------------------------------


def test_a_column_is_read_in_the_units_of_its_limit() -> None:
    table = open_table("nasbench201")
    rows = table.rows[::500]
    latency = table_constraint(table, "cifar100", "latency", 15.0)
    params = table_constraint(table, "cifar100", "params", 0.5)
    assert isinstance(latency, TableConstraint)
    seconds = table.query(rows, Metric("cifar100", None, None, quantity="latency_seconds"))
    parameters = table.query(rows, Metric("cifar100", None, None, quantity="parameters"))
    assert np.allclose(latency.values(rows), seconds * 1e3)
    assert np.allclose(params.values(rows), parameters / 1e6)
    assert np.array_equal(latency.feasible(rows), seconds <= 0.015)
    assert 0 < latency.feasible(rows).sum() < len(rows)
    assert (latency.unit, params.unit) == ("ms", "millions")


def test_flops_without_a_column_are_counted_for_the_data_sets_own_images() -> None:
    table = open_table("nasbench201")
    rows = table.rows[[0, -1]]
    small = table_constraint(table, "imagenet16-120", "flops", 40.0)
    large = table_constraint(table, "cifar10", "flops", 40.0)
    # Dong and Yang (2020), official API: |none| x 6 is 7.78305 MFLOPs on CIFAR-10, 1.9534 on ImageNet16-120;
    # they count batch normalisation too, hence a little more than the multiply-adds here
    assert large.values(rows)[0] == pytest.approx(7.78305, rel=0.05)
    assert small.values(rows)[0] == pytest.approx(1.9534, rel=0.05)
    assert describe_constraint(small)[0]["source"]["counted"]["image_size"] == 16


def test_a_column_comes_before_a_count_and_a_look_up_table_before_both() -> None:
    table = open_table("nasbench-macro")
    (flops,) = describe_constraint(table_constraint(table, "cifar10", "flops", 40.0))
    assert flops == {
        "cost": "flops",
        "max": 40.0,
        "unit": "millions",
        "source": {"column": "cifar10.flops"},
    }
    lookup = flat_lookup("nasbench201")
    own = table_constraint(open_table("nasbench201"), "cifar10", "latency", 9.0, lookup)
    assert isinstance(own, LatencyConstraint)
    (latency,) = describe_constraint(own)
    assert latency["source"]["latency look-up table"]["sha256"] == lookup.sha256


def test_a_latency_that_nothing_gives_is_refused() -> None:
    with pytest.raises(InputError, match=r"has no latency of cifar10: name a latency look-up table"):
        table_constraint(open_table("nasbench-macro"), "cifar10", "latency", 5.0)


def partial_table(folder: Path) -> Table:
    """Three architectures of six, with parameters for two of them."""
    space = CategoricalSpace("toy", {"a": list("xyz"), "b": list("pq")})
    columns: dict[Metric, Any] = {
        Metric("d", "valid", 10): np.array([50.0, 60.0, 70.0]),
        Metric("d", None, None, quantity="parameters"): np.array([2e6, 4e6, np.nan]),
    }
    source = TableSource("toy", space, "a toy", "made here", "CC0", {"in.csv": "0" * 64})
    rows = space.at(np.arange(3))
    path = folder / "toy.arrow"
    write_table(path, source, rows, {metric: Column(values) for metric, values in columns.items()})
    return Table(path)


def test_an_entry_without_the_cost_is_not_feasible(tmp_path: Path) -> None:
    table = partial_table(tmp_path)
    constraint = table_constraint(table, "d", "params", 3.0)
    assert constraint.feasible(table.rows).tolist() == [True, False, False]
    assert constraint.values(table.rows).tolist() == [2.0, 4.0, np.inf]
    with pytest.raises(InputError, match=r"the smallest has 2\)"):
        feasible_entries(table, table_constraint(table, "d", "params", 1.0))


def test_the_cost_of_a_column_by_another_name_is_limited(tmp_path: Path) -> None:
    space = CategoricalSpace("toy", {"a": list("xyz")})
    columns = {
        Metric("cifar10", "valid", 10): Column(np.array([50.0, 60.0, 70.0])),
        Metric("", None, None, quantity="latency"): Column(
            np.array([4.0, 5.0, 6.0]), unit="ms", better="lower"
        ),
        Metric("svhn", None, None, quantity="params"): Column(
            np.array([1.0, 2, 3]), unit="M", better="lower"
        ),
    }
    path = tmp_path / "named.arrow"
    write_table(path, TableSource("named", space, "", "", "", {}), space.at(np.arange(3)), columns)
    table = Table(path)
    latency = table_constraint(table, "cifar10", "latency", 5.0)
    assert latency.feasible(table.rows).tolist() == [True, True, False]
    assert describe_constraint(latency)[0]["source"] == {"column": "latency"}
    params = table_constraint(table, "mnist", "params", 1.0)  # a chain of choices cannot be counted
    assert params.feasible(table.rows).tolist() == [True, False, False]
    assert describe_constraint(params)[0]["source"] == {"column": "svhn.params, for want of one on mnist"}


def test_a_data_set_that_is_not_known_cannot_be_counted(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="classes and image size of d are not known"):
        table_constraint(partial_table(tmp_path), "d", "flops", 3.0)


def test_where_no_entry_is_feasible_the_line_names_limit_and_smallest() -> None:
    table = open_table("nasbench201")
    constraint = table_constraint(table, "cifar10", "latency", 1.0)
    with pytest.raises(
        InputError,
        match=r"of table nasbench201 keeps latency=1 \(ms; the smallest has 7.14",
    ):
        feasible_entries(table, constraint)
    assert feasible_entries(table, table_constraint(table, "cifar10", "latency", 7.2)).sum() >= 1


# -- networks --------------------------------------------------------------------------------------


def network(limits: dict[str, float], lookup: LatencyLookup | None = None) -> Any:
    return network_constraint(
        get_space("nasbench-macro"),
        limits,
        lookup,
        classes=10,
        image_size=32,
        image_channels=3,
        size={"channels": 32, "features": 1280},
    )


def test_a_networks_counts_are_the_benchmarks() -> None:
    table = open_table("nasbench-macro")
    rows = table.rows[::300]
    for cost in ("params", "flops"):
        counted, column = network({cost: 20.0}), table_constraint(table, "cifar10", cost, 20.0)
        assert np.allclose(counted.values(rows), column.values(rows))


def test_one_limit_is_itself_and_several_are_one() -> None:
    rows = open_table("nasbench-macro").rows[::100]
    lookup = flat_lookup("nasbench-macro")
    assert network({}) is None
    alone, both = network({"latency": 6.0}, lookup), network({"latency": 6.0, "params": 1.0}, lookup)
    assert isinstance(alone, LatencyConstraint)
    assert isinstance(both, AllOf)
    expected = (1 + rows.sum(axis=1) <= 6) & network({"params": 1.0}).feasible(rows)
    assert np.array_equal(both.feasible(rows), expected)
    assert [each["cost"] for each in describe_constraint(both)] == ["latency", "params"]


def test_a_limit_below_the_fastest_is_refused() -> None:
    with pytest.raises(InputError, match=r"nasbench-macro keeps latency=0.5 \(ms; the smallest has 1\)"):
        network({"latency": 0.5}, flat_lookup("nasbench-macro"))


def test_a_look_up_table_of_another_space_is_refused() -> None:
    with pytest.raises(InputError, match="is of space nasbench201, not of nasbench-macro"):
        network({"latency": 5.0}, flat_lookup("nasbench201"))


@pytest.mark.parametrize(
    ("limits", "lookup", "message"),
    [
        ({"speed": 1}, False, "unknown cost 'speed'; there are latency, params, flops"),
        ({"params": 0}, False, "limit of params must be a positive number of millions; got 0"),
        ({"params": -1.0}, False, "must be a positive number"),
        ({"flops": float("inf")}, False, "must be a positive number"),
        ({"flops": "many"}, False, "got 'many'"),
        ({"flops": True}, False, "got True"),
        ({"latency": 3.0}, False, "needs a look-up table"),
        ({"params": 3.0}, True, "goes with a limit of latency"),
        ({}, True, "goes with a limit of latency"),
    ],
)
def test_limits_that_cannot_be_used(limits: dict[str, Any], lookup: bool, message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_limits(limits, lookup)
