"""The interval study on searches of a few epochs, whose findings are written here."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchkit.base.errors import InputError
from benchkit.data.tables import open_table
from benchkit.data.tables.metric import Metric
from benchkit.spaces import get_space
from benchkit.studies.fading.intervals import IntervalSettings, run_intervals
from benchkit.studies.fading.searches import read_searches
from benchkit.training.search import run_search
from benchkit.training.settings import SearchSettings

pytestmark = pytest.mark.usefixtures("one_thread")

Cli = Callable[..., tuple[int, str, str]]

# three edges of five operations: pools of two, after 1, 2 and 3 epochs
POOLS = [[[3], [2]], [[3, 1], [2, 3]], [[3, 1, 3], [2, 3, 2]]]
LEFT = [50, 10, 2]
FINDINGS = {
    "intervals": [
        {"epoch": epoch, "pool": pool, "potentials": [60.0 + epoch, 55.0 + epoch], "left": left}
        for epoch, (pool, left) in enumerate(zip(POOLS, LEFT, strict=True), start=1)
    ]
}


def make(folder: Path, seed: int, shrink: bool) -> Path:
    """A search that trained uniformly for three epochs, and says that it was one of PC-NAS."""
    settings = SearchSettings(
        "spos", "nasbench201-3", "digits", seed=seed, epochs=3, queries=2, limit=200, batch_size=64
    )
    run_search(settings, folder)
    search = json.loads((folder / "search.json").read_text())
    search |= {"strategy": "pcnas", "options": {"shrink": shrink}}
    (folder / "search.json").write_text(json.dumps(search))
    result = json.loads((folder / "result.json").read_text())
    (folder / "result.json").write_text(json.dumps(result | {"findings": FINDINGS}))
    return folder


@pytest.fixture(scope="module")
def searches(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    home = tmp_path_factory.mktemp("searches")
    made = [make(home / f"{name}-{seed}", seed + 10 * (not shrink), shrink)
            for seed in (0, 1) for name, shrink in (("pcnas", True), ("one-shot", False))]  # fmt: skip
    for path in made[1::2]:  # trained with another seed, so that the weights differ; paired with this one
        search = json.loads((path / "search.json").read_text())
        (path / "search.json").write_text(json.dumps(search | {"seed": search["seed"] - 10}))
    return made


@pytest.fixture(scope="module")
def study(searches: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("intervals") / "study"
    run_intervals(IntervalSettings(tuple(searches), n=30, images=40), folder)
    return folder


def test_the_final_candidates_are_the_extensions_of_the_pool_before(searches: list[Path]) -> None:
    found = read_searches(searches)
    assert [(search.seed, search.training) for search in found] == [
        (0, "pcnas"),
        (0, "one-shot"),
        (1, "pcnas"),
        (1, "one-shot"),
    ]
    rows = found[0].final_candidates(get_space("nasbench201-3"))
    assert rows.tolist() == [[2, 3, last] for last in range(5)] + [[3, 1, last] for last in range(5)]


def test_correlations_after_every_interval(study: Path) -> None:
    frame = pd.read_csv(study / "correlations.csv")
    assert len(frame) == 4 * 3 * 2 * 2  # searches, intervals, samples, measures
    assert frame.groupby("sample")["n"].unique().map(list).to_dict() == {"candidates": [10], "uniform": [30]}
    scatter = pd.read_csv(study / "scatter.csv")
    mine = scatter[(scatter["seed"] == 1) & (scatter["training"] == "one-shot")]
    last = frame[
        (frame["seed"] == 1)
        & (frame["training"] == "one-shot")
        & (frame["interval"] == 3)
        & (frame["sample"] == "candidates")
    ].set_index("measure")
    columns = mine["inherited_accuracy"], mine["standalone_accuracy"]
    assert last.loc["pearson", "value"] == pytest.approx(columns[0].corr(columns[1]))
    assert last.loc["kendall_tau", "value"] == pytest.approx(columns[0].corr(columns[1], method="kendall"))
    assert (last["low"] <= last["value"]).all()


def test_the_truth_is_the_table(study: Path) -> None:
    table = open_table("nasbench201-3")
    scatter = pd.read_csv(study / "scatter.csv")
    space = get_space("nasbench201-3")
    rows = np.array([space.parse(text) for text in scatter["architecture"]])
    metric = Metric("digits", "valid", table.epochs("digits", "valid")[-1])
    np.testing.assert_allclose(scatter["standalone_accuracy"], table.query(rows, metric))


def test_pool_and_differences(study: Path) -> None:
    pool = pd.read_csv(study / "pool.csv")
    first = pool[(pool["seed"] == 0) & (pool["training"] == "pcnas")]
    assert first["architectures_left"].tolist() == [50, 50, 10, 10, 2, 2]
    assert first["model"].astype(str).tolist() == ["3", "2", "3 1", "2 3", "3 1 3", "2 3 2"]
    frame, found = pd.read_csv(study / "correlations.csv"), pd.read_csv(study / "differences-mean.csv")
    chosen = frame[
        (frame["interval"] == 2) & (frame["sample"] == "uniform") & (frame["measure"] == "pearson")
    ]
    by_seed = chosen.pivot(index="seed", columns="training", values="value")
    row = found[(found["interval"] == 2) & (found["sample"] == "uniform") & (found["measure"] == "pearson")]
    assert row["mean"].iloc[0] == pytest.approx((by_seed["pcnas"] - by_seed["one-shot"]).mean())
    assert row["seeds"].iloc[0] == 2


def test_an_interrupted_study_ends_like_one_that_was_not(
    searches: list[Path], study: Path, tmp_path: Path
) -> None:
    def stop(done: int, total: int) -> None:
        if done == 5:
            raise KeyboardInterrupt

    settings = IntervalSettings(tuple(searches), n=30, images=40)
    with pytest.raises(KeyboardInterrupt):
        run_intervals(settings, tmp_path / "again", on_progress=stop)
    assert len(list((tmp_path / "again" / "parts").iterdir())) == 5
    result = run_intervals(settings, tmp_path / "again")
    for path in study.iterdir():
        assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes(), path.name
    assert run_intervals(settings, tmp_path / "again") == result


def test_command_line(cli: Cli, searches: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "study"
    code, printed, _ = cli(
        "fading", "intervals", *searches[:2], "--out", out, "--n", 20, "--images", 40, "--device", "cpu"
    )
    assert code == 0
    assert "one-shot" in printed
    code, printed, error = cli("plot", "fading", out, "--out", tmp_path / "figure")
    assert (code, error) == (0, "")
    assert (tmp_path / "figure.png").is_file()


def copied(folder: Path, target: Path, **changes: Any) -> Path:
    shutil.copytree(folder, target)
    for name, change in changes.items():
        path = target / f"{name}.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | change))
    return target


class TestBadInput:
    def test_one_shot_alone(self, searches: list[Path], tmp_path: Path) -> None:
        with pytest.raises(InputError, match="no PC-NAS search with seed 0 is given"):
            read_searches([searches[1]])

    def test_one_seed_twice(self, searches: list[Path], tmp_path: Path) -> None:
        with pytest.raises(InputError, match="both pcnas searches with seed 0"):
            read_searches([searches[0], copied(searches[0], tmp_path / "copy")])

    def test_another_strategy(self, searches: list[Path], tmp_path: Path) -> None:
        other = copied(searches[0], tmp_path / "other", search={"strategy": "spos", "options": {}})
        with pytest.raises(InputError, match="a search by spos"):
            read_searches([other])

    def test_no_intervals(self, searches: list[Path], tmp_path: Path) -> None:
        other = copied(searches[0], tmp_path / "other", result={"findings": {}})
        with pytest.raises(InputError, match="no intervals that can be read"):
            read_searches([other])

    def test_stopped_early(self, searches: list[Path], tmp_path: Path) -> None:
        early = {"findings": {"intervals": FINDINGS["intervals"][:2]}}
        with pytest.raises(InputError, match="not whole models"):
            read_searches([copied(searches[0], tmp_path / "early", result=early)])

    def test_other_epochs(self, searches: list[Path], tmp_path: Path) -> None:
        later = [{**each, "epoch": each["epoch"] + 1} for each in FINDINGS["intervals"]]  # type: ignore[operator]
        other = copied(searches[2], tmp_path / "later", result={"findings": {"intervals": later}})
        with pytest.raises(InputError, match="cannot be compared"):
            read_searches([searches[0], other])

    def test_lost_checkpoints(self, searches: list[Path], tmp_path: Path) -> None:
        lost = copied(searches[0], tmp_path / "lost")
        (lost / "checkpoints" / "epoch-0002.json").unlink()
        with pytest.raises(InputError, match=r"lost its checkpoints after \[2\] epochs"):
            run_intervals(IntervalSettings((lost,), n=20), tmp_path / "out")
        assert not (tmp_path / "out").exists()

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"n": 1}, "--n must be at least 2"),
            ({"images": 10_000}, "cannot score on 10,000"),
            ({"table": "nasbench-macro"}, "is of space nasbench-macro"),
            ({"dataset": "cifar10"}, "has no accuracy on cifar10"),
        ],
    )
    def test_numbers_and_names(
        self, searches: list[Path], tmp_path: Path, changes: dict[str, Any], message: str
    ) -> None:
        with pytest.raises(InputError, match=message):
            run_intervals(IntervalSettings(tuple(searches[:2]), **changes), tmp_path / "out")
        assert not (tmp_path / "out").exists()
