"""Columns of tables and of studies: their names, values, runs, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import benchkit
from benchkit.base.errors import InputError
from benchkit.data.tables.metric import Metric
from benchkit.studies.correlation.columns import columns_of, matrix_of
from benchkit.studies.correlation.study_columns import columns_of_studies, distinct_names
from benchkit.studies.correlation.table_columns import TableColumns, columns_of_table, label_of

RESULTS = Path(benchkit.__file__).parent.parent / "results"
SPOS = RESULTS / "cifar10-nasbench201-spos" / "correlation"
DIGITS = RESULTS / "digits-nasbench201-3" / "correlation"


class TestTable:
    def test_every_name_is_a_metric(self) -> None:
        table = benchkit.open_table("nasbench201-3")
        columns = TableColumns(table)
        assert columns.means == ["digits/valid/12", "digits/test/12"]
        for metric in table.metrics:
            if metric.quantity == "accuracy":
                np.testing.assert_array_equal(columns.values(label_of(metric)), table.values(metric))
        assert label_of(Metric("digits", "valid", 6, 1, schedule=12)) == "digits/valid/6of12/1"

    def test_a_single_run_is_called_so(self) -> None:
        columns = TableColumns(benchkit.open_table("nasbench101-sample"))
        assert columns.means == [f"cifar10/valid/{epochs}/0" for epochs in (4, 12, 36, 108)]

    def test_a_mean_has_its_runs_and_a_run_has_none(self) -> None:
        table = benchkit.open_table("nasbench201")
        names = ["cifar10/valid/200", "cifar10/valid/200/1", "cifar10/test/200", "cifar10/valid/200"]
        found = columns_of_table("nasbench201", names, sample=50, seed=3)
        rows = np.sort(np.random.default_rng(3).choice(len(table), 50, replace=False))
        assert list(found.values) == names[:3]
        assert list(found.runs) == ["cifar10/valid/200"]
        for run in range(3):
            expected = table.values(Metric("cifar10", "valid", 200, run))[rows]
            np.testing.assert_array_equal(found.runs["cifar10/valid/200"][run], expected)
        assert found.about == {
            "table": {"name": "nasbench201", "sha256": table.sha256},
            "n": 50,
            "sample_seed": 3,
        }

    def test_what_is_refused(self) -> None:
        with pytest.raises(InputError, match="did you mean 'cifar10/valid/12'"):
            columns_of_table("nasbench201", ["cifar10/valid/13", "cifar10/valid/200"])
        with pytest.raises(InputError, match="--n must be between 2 and 125"):
            columns_of_table("nasbench201-3", sample=126)
        with pytest.raises(InputError, match="one table, or folders"):
            columns_of(["nasbench201", "nasbench101-sample"])


def test_folders_are_called_by_where_they_differ(tmp_path: Path) -> None:
    first, second = tmp_path / "a" / "x" / "correlation", tmp_path / "b" / "x" / "correlation"
    assert distinct_names([first, second]) == {"a": first, "b": second}
    assert distinct_names([first]) == {"correlation": first}
    assert distinct_names([first, tmp_path / "b"]) == {"correlation": first, "b": tmp_path / "b"}
    with pytest.raises(InputError, match="given twice"):
        distinct_names([first, first])


@pytest.mark.skipif(not (SPOS.is_dir() and DIGITS.is_dir()), reason="not a checkout")
class TestStudies:
    def test_supernets_stand_beside_the_table(self) -> None:
        found = columns_of_studies([SPOS])
        scores = pd.read_parquet(SPOS / "scores.parquet")
        table = benchkit.open_table("nasbench201")
        last = scores[(scores["training"] == "spos-1") & (scores["images"] == 5_000)]
        np.testing.assert_array_equal(found.values["spos-1"], last["supernet_accuracy"])
        rows = table.locate([table.base_space.parse(str(each)) for each in last["architecture"]])
        for name in ("valid", "test"):
            expected = table.values(Metric("cifar10", name, 200))[rows]
            np.testing.assert_array_equal(found.values[f"cifar10/{name}/200"], expected)
        assert list(found.values) == ["cifar10/valid/200", "cifar10/test/200", "spos-0", "spos-1", "spos-2"]
        assert found.runs["cifar10/valid/200"].shape == (3, 1_000)
        assert found.notes == ()

    def test_any_checkpoint_and_column_can_be_named(self) -> None:
        found = columns_of_studies([SPOS], ["spos-0/20", "spos-0/60", "cifar100/valid/12"])
        matrix = matrix_of(found, resamples=5).set_index(["row", "column"])
        kept = pd.read_csv(SPOS / "correlations.csv").set_index(
            ["training", "epoch", "images", "truth", "fraction", "measure"]
        )
        assert matrix.loc[("spos-0/20", "spos-0/60"), "n"] == 1_000
        found = columns_of_studies([SPOS], ["cifar10/valid/200", "spos-0/20"])
        value = matrix_of(found, resamples=5)["value"][0]
        assert value == pytest.approx(kept.loc[("spos-0", 20, 1_000, "valid", 1.0, "kendall_tau"), "value"])

    def test_the_ceiling_is_that_of_the_study(self) -> None:
        found = columns_of_studies([SPOS], ["cifar10/valid/200", "spos-0"])
        matrix = matrix_of(found, fractions=(1.0, 0.1), resamples=5)
        kept = pd.read_csv(SPOS / "noise_ceiling.csv").set_index(["truth", "fraction", "measure"])["value"]
        rows = matrix[(matrix["row"] == "cifar10/valid/200") & (matrix["column"] == "spos-0")]
        for fraction, ceiling in zip(rows["fraction"], rows["ceiling"], strict=True):
            assert ceiling == pytest.approx(kept["valid", fraction, "kendall_tau"])

    def test_without_the_table_what_the_study_kept_serves(self, tmp_path: Path) -> None:
        other = tmp_path / "other"
        shutil.copytree(SPOS, other)
        settings = json.loads((other / "correlation.json").read_text())
        settings["table"]["sha256"] = "0" * 64
        (other / "correlation.json").write_text(json.dumps(settings))
        here, there = columns_of_studies([SPOS]), columns_of_studies([other])
        for name, values in here.values.items():
            np.testing.assert_allclose(there.values[name], values, atol=1e-9)
        assert there.runs == {}
        assert "no noise ceilings" in there.notes[0]
        with pytest.raises(InputError, match="different tables"):
            columns_of_studies([SPOS, other])

    def test_studies_are_put_side_by_side_by_architecture(self, tmp_path: Path) -> None:
        part = tmp_path / "part"
        shutil.copytree(SPOS, part)
        scores = pd.read_parquet(part / "scores.parquet")
        kept = scores["architecture"].unique()[:40]
        scores[scores["architecture"].isin(kept)][::-1].to_parquet(part / "scores.parquet")
        found = columns_of_studies([SPOS, part])
        whole, some = found.values["correlation:spos-0"], found.values["part:spos-0"]
        assert np.count_nonzero(~np.isnan(some)) == 40
        np.testing.assert_array_equal(whole[:40], some[:40])
        assert found.about["studies"] == ["correlation", "part"]

    def test_what_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="holds no finished study"):
            columns_of([str(tmp_path)])
        with pytest.raises(InputError, match="unknown column 'spos-7'"):
            columns_of_studies([SPOS], ["spos-7", "spos-0"])
        with pytest.raises(InputError, match="--n is for tables"):
            columns_of([str(SPOS)], sample=10)
        with pytest.raises(InputError, match="different tables"):
            columns_of_studies([SPOS, DIGITS])
