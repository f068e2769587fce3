"""A tiny study end to end: its tables, its resumption, its figure, and what it refuses."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchkit.analysis.statistics.fading import exact_divergences, laplace, share
from benchkit.base.errors import InputError
from benchkit.base.parts import ArrayParts
from benchkit.reports.finished import write_figures
from benchkit.studies.building.table_build import BuildSettings
from benchkit.studies.fading.settings import FadingSettings
from benchkit.studies.fading.study import run_fading
from benchkit.studies.fading.trainings import Alone, holds, opened

pytestmark = pytest.mark.usefixtures("one_thread")

Cli = Callable[..., tuple[int, str, str]]
TABLES = ("divergence", "divergence-mean", "function_space", "function_space-mean", "distance", "correlation",
          "correlation-mean", "floor")  # fmt: skip


def tiny(**changes: object) -> FadingSettings:
    build = BuildSettings("nasbench201-3", "digits", limit=120, size=(("channels", 4),))
    recipe = replace(build.recipe, epochs=1, batch_size=32)
    given = {"models": (1, 2, 10), "subspaces": 2, "seeds": 2, "supernet_epochs": 2, **changes}
    return FadingSettings(replace(build, recipe=recipe), **given)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fading") / "study"
    run_fading(tiny(), folder, keep_weights=True)
    write_figures(folder)
    return folder


def read(folder: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(folder / f"{name}.csv", dtype={"layer": str}, keep_default_na=False, na_values=[""])


def test_the_folder_of_a_study(finished: Path) -> None:
    expected = {f"{name}.csv" for name in TABLES}
    expected |= {"fading.json", "manifest.json", "result.json", "fading.pdf", "fading.png", "parts"}
    assert {path.name for path in finished.iterdir()} == expected
    manifest = json.loads((finished / "manifest.json").read_text())
    assert manifest["fading"]["models"] == [1, 2, 10]
    assert manifest["fading"]["supernet_epochs"] == {"1": 2, "2": 2, "10": 2}
    assert len(manifest["fading"]["data"]["sha256"]) == 64


def test_one_model_fades_from_nothing_and_the_exact_value_is_never_negative(finished: Path) -> None:
    frame = read(finished, "divergence")
    alone = frame[(frame["models"] == 1) & frame["measure"].isin(["paper", "exact"])]
    assert len(alone)
    assert (alone["value"] == 0).all()
    exact = frame[frame["measure"] == "exact"]["value"]
    assert (exact >= 0).all()
    parts = frame.pivot_table(
        index=["approximation", "law", "layer", "operator", "models", "draw"],
        columns="measure",
        values="value",
        dropna=False,
    ).dropna(subset=["exact"])
    np.testing.assert_allclose(
        parts["exact"], parts["concentration"] + parts["displacement"], rtol=1e-9, atol=1e-9
    )


def test_a_divergence_of_the_table_is_that_of_the_kept_weights(finished: Path) -> None:
    settings = tiny()
    laboratory, store = opened(settings), ArrayParts(finished / "parts")
    group = next(each for each in laboratory.groups if (each.layer, each.operator) == (1, 2))
    parts = [store.get(Alone(int(number), 0, "shared").name) for number in settings.draws[0]]
    parts = [part for part in parts if holds(part, group)]
    assert len(parts) >= 2
    ends, fisher = (
        np.stack([np.concatenate([part[f"{what}/{name}"].ravel() for name in group.names]) for part in parts])
        for what in ("end", "fisher")
    )
    images = len(laboratory.train)
    prior = images * 5e-4
    gaussians = laplace(ends, fisher, images, prior)
    frame = read(finished, "divergence")
    for law in ("product", "prior-once", "mean"):
        row = frame[
            (frame["approximation"] == "laplace")
            & (frame["law"] == law)
            & (frame["measure"] == "exact")
            & (frame["layer"] == "1")
            & (frame["operator"] == "nor_conv_1x1")
            & (frame["models"] == 10)
        ].iloc[0]
        expected = exact_divergences(gaussians, share(gaussians, law, prior)).total.mean()
        assert row["value"] == pytest.approx(expected)
        assert row["containing"] == len(parts)
        assert row["parameters"] == ends.shape[1]


def test_sums_are_over_layers_and_operators(finished: Path) -> None:
    frame = read(finished, "divergence")
    rows = frame[
        (frame["approximation"] == "laplace")
        & (frame["law"] == "product")
        & (frame["measure"] == "paper")
        & (frame["models"] == 10)
    ]
    groups = rows[rows["operator"].notna()]
    total = (groups["value"] * groups["containing"]).sum() / 10
    assert rows[rows["layer"] == "all"]["value"].iloc[0] == pytest.approx(total)


def test_correlations_are_those_of_the_accuracies(finished: Path) -> None:
    functions, found = read(finished, "function_space"), read(finished, "correlation")
    assert set(found["models"]) == {10}  # from 8 on
    rows = functions[(functions["models"] == 10) & (functions["draw"] == 1)]
    supernet = found[(found["draw"] == 1) & (found["of"] == "supernet")].set_index("measure")["value"]
    columns = rows["supernet_accuracy"], rows["standalone_accuracy"]
    assert supernet["pearson"] == pytest.approx(columns[0].corr(columns[1]))
    assert supernet["kendall_tau"] == pytest.approx(columns[0].corr(columns[1], method="kendall"))
    # two columns of one set of all ten do not differ between draws
    assert found[found["of"] == "ceiling"]["draw"].unique() == [0]


def test_an_interrupted_study_ends_like_one_that_was_not(finished: Path, tmp_path: Path) -> None:
    folder = tmp_path / "again"
    stops = iter((3, 21))

    def interrupt(at: int) -> Callable[[int, int], None]:
        def progress(done: int, total: int) -> None:
            if done == at:
                raise KeyboardInterrupt

        return progress

    for at in stops:
        with pytest.raises(KeyboardInterrupt):
            run_fading(tiny(), folder, on_progress=interrupt(at))
        assert not (folder / "result.json").exists()
    seen: list[int] = []
    result = run_fading(tiny(), folder, on_progress=lambda done, total: seen.append(done))
    write_figures(folder)
    assert seen[0] >= 20  # nothing is trained twice
    assert not (folder / "parts").exists()
    for name in (*(f"{table}.csv" for table in TABLES), "manifest.json", "result.json", "fading.png"):
        assert (folder / name).read_bytes() == (finished / name).read_bytes(), name
    assert run_fading(tiny(), folder) == result  # a finished one is not run again


@pytest.mark.slow  # starts processes
def test_processes_change_no_figure(finished: Path, tmp_path: Path) -> None:
    shutil.copytree(finished / "parts", tmp_path / "study" / "parts")
    shutil.copy(finished / "fading.json", tmp_path / "study")
    for task in ("alone-shared-1-0003", "supernet-0002-01"):
        (tmp_path / "study" / "parts" / f"{task}.npz").unlink()
    run_fading(tiny(), tmp_path / "study", jobs=2)
    for name in ("divergence", "function_space"):
        assert (tmp_path / "study" / f"{name}.csv").read_bytes() == (finished / f"{name}.csv").read_bytes()


def test_a_damaged_part_is_named(finished: Path, tmp_path: Path) -> None:
    shutil.copytree(finished / "parts", tmp_path / "study" / "parts")
    shutil.copy(finished / "fading.json", tmp_path / "study")
    (tmp_path / "study" / "parts" / "alone-shared-0-0000.npz").write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(InputError, match=r"alone-shared-0-0000.npz.*delete it to train again"):
        run_fading(tiny(), tmp_path / "study")


def test_the_control_starts_elsewhere(tmp_path: Path) -> None:
    settings = tiny(models=(4,), seeds=2, supernet_epochs=1, control=True)
    run_fading(settings, tmp_path / "control")
    floor = read(tmp_path / "control", "floor")
    rows = floor[(floor["measure"] == "distance") & (floor["operator"] == "stem.0.weight")]
    distances = rows.set_index("start")["mean"]
    # after a few steps networks are still near where they started: one place, or independent ones
    assert distances["shared"] < 0.5
    assert distances["independent"] == pytest.approx(np.sqrt(2), abs=0.25)
    assert set(read(tmp_path / "control", "divergence")["start"]) == {"shared", "independent"}


def test_epochs_of_supernets() -> None:
    assert tiny(supernet_epochs=None).epochs_of(10) == 5
    assert tiny(supernet_epochs=3).epochs_of(10) == 3
    assert tiny(supernet_epochs=3, per_model=True).epochs_of(10) == 30


def test_sets_of_a_draw_are_nested_and_those_of_a_seed_are_its_own() -> None:
    settings = tiny()
    assert all(sorted(draw) == list(range(10)) for draw in settings.draws)
    assert [draw.tolist() for draw in settings.draws] == [draw.tolist() for draw in tiny().draws]
    assert [draw.tolist() for draw in settings.draws] != [draw.tolist() for draw in tiny(seed=1).draws]


class TestCommandLine:
    def test_run_and_plot(self, cli: Cli, tmp_path: Path) -> None:
        out = tmp_path / "study"
        words = ["--models", "1,8", "--subspaces", 2, "--seeds", 1, "--epochs", 1, "--supernet-epochs", 1]
        words += ["--limit", 120, "--size", "channels=4", "--batch-size", 32]
        code, printed, _ = cli("fading", "run", *words, "--out", out)
        assert code == 0
        assert "tau-b" in printed
        code, again, _ = cli("fading", "run", *words, "--out", out, "--json")
        assert code == 0
        assert json.loads(again)["space"] == "nasbench201-3"
        code, printed, error = cli("plot", "fading", out, "--out", tmp_path / "figure.png")
        assert (code, error) == (0, "")
        tables = ("divergence-mean", "function_space-mean", "correlation-mean", "floor")
        names = ["figure.png", *(f"figure-{name}.csv" for name in tables)]
        assert printed.split() == [str(tmp_path / name) for name in names]
        code, _, error = cli("plot", "fading", out, "--out", tmp_path / "c", "--start", "independent")
        assert (code, error.count("\n")) == (2, 1)
        assert "--control" in error

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (["--models", "1,x"], "--models takes numbers"),
            (["--models", "4,2"], "ascending"),
            (["--models", "1,126"], "has 125 architectures"),
            (["--models", "1", "--subspaces", "1"], "--subspaces must be a whole number from 2"),
            (["--models", "1", "--seeds", "0"], "--seeds must be a whole number from 1"),
            (["--space", "nasbench101", "--models", "1"], "one operation a layer"),
            (["--space", "nasbench-301"], "nasbench-301"),
            (["--data", "mnits", "--models", "1"], "mnits"),
            (["--size", "width=3", "--models", "1"], "width"),
            (["--jobs", "0"], "--jobs must be"),
        ],
    )
    def test_bad_input_is_one_line(self, cli: Cli, tmp_path: Path, words: list[str], message: str) -> None:
        code, printed, error = cli("fading", "run", *words, "--out", tmp_path / "out")
        assert (code, printed, error.count("\n")) == (2, "", 1)
        assert message in error
        assert not (tmp_path / "out").exists()

    def test_a_folder_of_something_else(self, cli: Cli, tmp_path: Path) -> None:
        (tmp_path / "notes.txt").write_text("mine")
        code, _, error = cli("fading", "run", "--models", "1", "--out", tmp_path)
        assert code == 2
        assert "is not empty" in error
        code, _, error = cli("plot", "fading", tmp_path, "--out", tmp_path / "x")
        assert code == 2
        assert "holds no study of fading" in error
