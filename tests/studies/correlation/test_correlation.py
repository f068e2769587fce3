"""Correlation studies: tiny supernets on the digits, held against a table that is written here."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

from benchkit.base.errors import InputError
from benchkit.data.images import divide, open_image_set, parse_split
from benchkit.data.images.device_set import DeviceImages
from benchkit.data.tables import Metric, Table
from benchkit.data.tables.write import Column, TableSource, write_table
from benchkit.reports.figures import draw_figure
from benchkit.reports.finished import write_figures
from benchkit.searching.supernet_evaluator import SupernetEvaluator
from benchkit.spaces import get_space
from benchkit.studies.correlation.study import CorrelationSettings, run_correlation
from benchkit.studies.correlation.study_columns import columns_of_studies
from benchkit.training.trained import find_trainings, load_supernet


def test_scores_are_those_of_the_checkpoints_supernet(
    settings: CorrelationSettings, trained: Path, tmp_path: Path
) -> None:
    result = run_correlation(settings, tmp_path, "cpu")
    frame = pd.read_parquet(tmp_path / "scores.parquet")
    assert list(frame.groupby(["epoch", "images"]).size().items()) == [
        ((1, 30), 20),
        ((2, 30), 20),
        ((3, 30), 20),
        ((3, 50), 20),
    ]
    assert frame.groupby(["epoch", "images"])["architecture"].nunique().tolist() == [20] * 4
    # scored again by hand, on the first images of the same order
    (training,) = find_trainings([trained / "seed-0"])
    images, _ = divide(open_image_set("digits", limit=200), parse_split("50"))
    valid = DeviceImages(images.valid, images.normalisation)
    space = get_space("nasbench201-3")
    order = np.random.default_rng(np.random.SeedSequence(0).spawn(3)[1])
    evaluator = SupernetEvaluator(load_supernet(training.saved[1], torch.device("cpu")), valid, order)
    mine = frame[frame["epoch"] == 2]
    rows = np.array([space.parse(text) for text in mine["architecture"].astype(str)])
    assert mine["supernet_accuracy"].tolist() == evaluator.evaluate(rows, 30).scores.tolist()
    assert mine["checkpoint"].unique().tolist() == [training.saved[1].sha256]
    last = frame[frame["images"] == 50]["supernet_accuracy"]
    assert result["trainings"][1]["mean_supernet_accuracy"] == pytest.approx(last.mean())


def test_correlations_are_with_the_tables_longest_mean(settings: CorrelationSettings, tmp_path: Path) -> None:
    result = run_correlation(settings, tmp_path, "cpu")
    shown = pd.read_csv(tmp_path / "scatter.csv")
    found = pd.read_csv(tmp_path / "correlations.csv")
    assert sorted(found["truth"].unique()) == ["test", "valid"]
    assert [(each["split"], each["epochs"], each["runs"]) for each in result["truths"]] == [
        ("valid", 30, 3),
        ("test", 30, None),
    ]
    last = found[(found["epoch"] == 3) & (found["images"] == 50) & (found["fraction"] == 1)]
    for truth in ("valid", "test"):
        mine = last[last["truth"] == truth].set_index("measure")
        pair = shown["supernet_accuracy"], shown[f"table_{truth}"]
        assert mine.loc["kendall_tau", "value"] == pytest.approx(stats.kendalltau(*pair)[0])
        assert mine.loc["spearman", "value"] == pytest.approx(stats.spearmanr(*pair)[0])
        assert mine["n"].tolist() == [20] * 4
    assert set(pd.read_csv(tmp_path / "top_k.csv")["k"]) == {1, 5, 10}  # 50 are not there
    ceiling = pd.read_csv(tmp_path / "noise_ceiling.csv")
    assert set(ceiling["truth"]) == {"valid"}  # one column of test figures has nothing to be held against
    assert set(ceiling["pairs"]) == {3}
    write_figures(tmp_path)
    for name in ("correlation-curve", "scatter"):
        assert (tmp_path / f"{name}.pdf").stat().st_size > 1000
        assert (tmp_path / f"{name}.png").stat().st_size > 1000
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["correlation"]["table"]["sha256"] == result["table"]["sha256"]
    assert [each["epoch"] for each in manifest["checkpoints"]] == [1, 2, 3]
    assert manifest["checkpoints"][0]["seed"] == 0
    assert not (tmp_path / "scores").exists()
    assert not (tmp_path / "correlations-mean.csv").exists()


def test_a_loss_of_the_table_is_ranked_by_its_direction(
    settings: CorrelationSettings, table: Path, tmp_path: Path
) -> None:
    space, made = get_space("nasbench201-3"), Table(table)
    accuracy = made.values(Metric("digits", "valid", 30))
    columns = {
        Metric("digits", "valid", 30): Column(accuracy),
        Metric("digits", "valid", 30, quantity="surprise"): Column(-accuracy, unit="bits", better="lower"),
    }
    path = tmp_path / "loss.arrow"
    source = TableSource("loss", "nasbench201-3", "made up", "made here", "CC0", {})
    write_table(path, source, space.at(np.arange(125)), columns)
    by_accuracy = run_correlation(replace(settings, table=str(path)), tmp_path / "accuracy", "cpu")
    by_loss = replace(settings, table=str(path), quantity="surprise")
    result = run_correlation(by_loss, tmp_path / "loss", "cpu")
    assert (result["truths"][0]["unit"], result["truths"][0]["better"]) == ("bits", "lower")
    for name in ("correlations", "top_k"):  # a loss that is minus the accuracy ranks as it does
        ours, theirs = (pd.read_csv(tmp_path / each / f"{name}.csv") for each in ("loss", "accuracy"))
        pd.testing.assert_frame_equal(ours, theirs)
    shown = pd.read_csv(tmp_path / "loss" / "scatter.csv")
    assert (shown["table_valid"] < 0).all()
    assert "quantity" not in json.loads((tmp_path / "accuracy" / "correlation.json").read_text())
    drawn = draw_figure(
        "correlation", [tmp_path / "loss"], fraction=(1.0, 0.5), out=tmp_path / "c", formats=("svg",)
    )
    assert any("ranked the other way round" in note for note in drawn.notes)
    assert "validation surprise" in (tmp_path / "c.svg").read_text()
    assert "alone (bits)" in (tmp_path / "c.svg").read_text()
    columns_found = columns_of_studies([tmp_path / "loss"])
    assert columns_found.lower == ["digits/valid/30/surprise"]
    with pytest.raises(InputError, match="rank by accuracy and surprise: draw them one by one"):
        draw_figure("correlation", [tmp_path / "loss", tmp_path / "accuracy"], out=tmp_path / "d")
    with pytest.raises(InputError, match="did you mean 'surprise'"):
        run_correlation(replace(by_loss, quantity="suprise"), tmp_path / "no", "cpu")
    assert by_accuracy["truths"][0]["better"] == "higher"


def test_several_seeds_have_their_mean_and_its_spread(
    settings: CorrelationSettings, trained: Path, tmp_path: Path
) -> None:
    both = replace(settings, checkpoints=(trained / "seed-0", trained / "seed-1" / "checkpoints"), every=2)
    run_correlation(both, tmp_path, "cpu")
    found = pd.read_csv(tmp_path / "correlations.csv")
    assert found.groupby("training")["seed"].unique().map(list).to_dict() == {"seed-0": [0], "seed-1": [1]}
    assert sorted(found["epoch"].unique()) == [2, 3]  # each second, and the last
    keys = ["epoch", "images", "truth", "fraction", "measure"]
    mean = pd.read_csv(tmp_path / "correlations-mean.csv").set_index(keys)
    at = (3, 50, "valid", 1.0, "kendall_tau")
    values = found.set_index(keys).loc[[at], "value"]
    assert mean.loc[at, "trainings"] == 2
    assert mean.loc[at, "mean"] == pytest.approx(values.mean())
    assert mean.loc[at, "sd"] == pytest.approx(values.std())
    scores = pd.read_parquet(tmp_path / "scores.parquet")
    samples = scores.groupby(["training", "epoch", "images"], observed=True)["architecture"].agg(list)
    assert all(sample == samples.iloc[0] for sample in samples)  # one sample for all


def test_an_interrupted_study_scores_what_is_left_and_ends_the_same(
    settings: CorrelationSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(done: int, total: int) -> None:
        if done > 20:
            raise KeyboardInterrupt

    run_correlation(settings, tmp_path / "whole", "cpu")
    with pytest.raises(KeyboardInterrupt):
        run_correlation(settings, tmp_path / "cut", "cpu", on_progress=stop)
    assert len(list((tmp_path / "cut" / "scores").iterdir())) == 1
    assert not (tmp_path / "cut" / "result.json").exists()
    seen: list[int] = []
    run_correlation(settings, tmp_path / "cut", "cpu", on_progress=lambda done, total: seen.append(done))
    assert seen == [40, 60, 80]
    names = {path.name for path in (tmp_path / "whole").iterdir()}
    assert {path.name for path in (tmp_path / "cut").iterdir()} == names
    for name in sorted(names):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("scored again")

    monkeypatch.setattr(SupernetEvaluator, "evaluate", refuse)
    first = run_correlation(settings, tmp_path / "whole", "cpu")
    assert first == json.loads((tmp_path / "cut" / "result.json").read_text())
    # without its result, everything but the scores is made again
    whole = (tmp_path / "whole" / "correlations.csv").read_bytes()
    for name in ("result.json", "correlations.csv"):
        (tmp_path / "whole" / name).unlink()
    assert run_correlation(settings, tmp_path / "whole", "cpu") == first
    assert (tmp_path / "whole" / "correlations.csv").read_bytes() == whole


def test_a_training_that_went_on_is_taken_in(
    settings: CorrelationSettings, trained: Path, tmp_path: Path
) -> None:
    young = tmp_path / "seed-0"
    shutil.copytree(trained / "seed-0", young)
    for path in (young / "checkpoints").glob("epoch-0003*"):
        path.unlink()
    study = replace(settings, checkpoints=(young,))
    assert run_correlation(study, tmp_path / "out", "cpu")["trainings"][0]["epoch"] == 2
    shutil.copytree(trained / "seed-0" / "checkpoints", young / "checkpoints", dirs_exist_ok=True)
    seen: list[int] = []
    later = run_correlation(study, tmp_path / "out", "cpu", on_progress=lambda done, _: seen.append(done))
    assert later["trainings"][0]["epoch"] == 3
    assert seen == [60, 80]  # epoch 3 alone, on 30 and on 50 images
    assert later == run_correlation(settings, tmp_path / "at-once", "cpu")


def test_all_is_every_entry_of_the_table(settings: CorrelationSettings, tmp_path: Path) -> None:
    everything = replace(settings, n=None, everything=True, every=3, images=20, final_images=20)
    assert run_correlation(everything, tmp_path, "cpu")["n"] == 125
    assert pd.read_parquet(tmp_path / "scores.parquet")["architecture"].nunique() == 125


def test_the_default_sample_is_all_of_a_small_space(settings: CorrelationSettings, tmp_path: Path) -> None:
    small = replace(settings, n=None, every=3, images=None, final_images=None)
    result = run_correlation(small, tmp_path, "cpu")
    assert result["n"] == 125
    assert [each["images"] for each in result["trainings"]] == [50]  # a quarter of 200: all there are


def test_one_checkpoint_file_is_a_training_of_unknown_seed_where_nothing_says_it(
    settings: CorrelationSettings, trained: Path, tmp_path: Path
) -> None:
    alone = tmp_path / "alone"
    alone.mkdir()
    for path in (trained / "seed-0" / "checkpoints").glob("epoch-0002*"):
        shutil.copy(path, alone)
    study = replace(settings, checkpoints=(alone / "epoch-0002.safetensors",))
    result = run_correlation(study, tmp_path / "out", "cpu")
    assert [(each["training"], each["seed"]) for each in result["trainings"]] == [("alone", None)] * 2
    assert result["trainings"][0]["epoch"] == 2
