"""Building a table: the same figures however it is run, nothing lost on the way, and the embedded one."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import kendalltau

from benchkit.base.errors import InputError
from benchkit.data.images import divide, open_image_set, parse_split
from benchkit.data.tables import Metric, Table, open_table
from benchkit.spaces import ArchitectureError, get_space
from benchkit.spaces.engine import build_network
from benchkit.studies.building.table_build import BuildSettings, build_table, chosen_rows
from benchkit.training.recipe import TrainingRecipe
from benchkit.training.standalone import StandaloneTrainer

Cli = Callable[..., tuple[int, str, str]]

SPACE = get_space("nasbench201-3")
ROWS = SPACE.at([3, 77, 12])
SGD = TrainingRecipe(epochs=2, batch_size=32, learning_rate=0.1, last_learning_rate=0.0, clip=None)
SETTINGS = BuildSettings(
    "nasbench201-3",
    "digits",
    SGD,
    size=(("channels", 2), ("cells", 1)),
    split="60",
    limit=160,
)
WORDS = ("table", "build", "--space", "nasbench201-3", "--data", "digits", "--channels", 2, "--limit", 160,
         "--split", 60, "--epochs", 1, "--seeds", 1, "--n", 2)  # fmt: skip


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Table:
    """Three cells, two seeds, two epochs."""
    return Table(build_table(SETTINGS, ROWS, 2, tmp_path_factory.mktemp("built") / "t.arrow", "t"))


def journal_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.journal")


def assert_same_figures(first: Table, second: Table) -> None:
    """Everything but the seconds, which are measured."""
    assert list(first.metrics) == list(second.metrics)
    assert np.array_equal(first.rows, second.rows)
    assert first.metadata == second.metadata
    for metric in first.metrics:
        if metric.quantity != "train_seconds":
            assert np.array_equal(first.values(metric), second.values(metric)), metric


# -- what is in the table -------------------------------------------------------------------------


def test_a_query_is_what_was_trained(built: Table) -> None:
    _, seen, test = SETTINGS.images()
    alone = StandaloneTrainer(SPACE, seen, SETTINGS.recipe, size=SETTINGS.network(), test=test)
    for row in ROWS:
        runs = [alone.train(row, seed) for seed in range(2)]
        for epoch in (1, 2):
            for split, curves in (
                ("valid", [run.valid for run in runs]),
                ("test", [run.test for run in runs]),
            ):
                for seed in range(2):
                    read = built.query(row, Metric("digits", split, epoch, seed, schedule=2))
                    assert read == round(float(curves[seed][epoch - 1]), 5)  # type: ignore[index]
                mean = built.query(row, Metric("digits", split, epoch, schedule=2))
                assert mean == pytest.approx(np.mean([c[epoch - 1] for c in curves]), abs=1e-5)  # type: ignore[index]
            loss = built.query(row, Metric("digits", "train", epoch, 1, "loss", schedule=2))
            assert loss == pytest.approx(runs[1].loss[epoch - 1], abs=1e-5)


def test_parameters_are_those_of_the_networks_and_seconds_are_measured(built: Table) -> None:
    for row in ROWS:
        network = build_network(SPACE, row, 10, 1, generator=torch.Generator(), channels=2, cells=1)
        counted = built.query(row, Metric("digits", None, None, quantity="parameters"))
        assert counted == sum(parameter.numel() for parameter in network.parameters())
    seconds = built.values(Metric("digits", None, 2, quantity="train_seconds"))
    runs = [built.values(Metric("digits", None, 2, run, "train_seconds")) for run in range(2)]
    assert (seconds > 0).all()
    assert seconds == pytest.approx(np.mean(runs, axis=0), abs=1e-4)


def test_the_metadata_say_how_it_came_about(built: Table) -> None:
    about = built.metadata["build"]
    assert about["images"] == {"train": 100, "valid": 60, "test": 360}
    assert about["seeds"] == [0, 1]
    assert about["recipe"]["padding"] == 1
    assert about["recipe"]["flip"] is False
    assert about["torch"] == metadata.version("torch")
    assert "--limit 160 --split 60 --epochs 2 --batch-size 32" in about["command"]
    assert "--channels 2 --cells 1" in built.metadata["source"]
    assert "CC BY 4.0" in built.metadata["licence"]
    assert built.metadata["source_sha256"] == {"digits": open_image_set("digits").sha256}
    assert any("limit 160" in warning for warning in built.metadata["warnings"])
    units = {json.loads(field.metadata[b"benchkit"])["unit"] for field in built.schema if field.metadata}
    assert units == {"%", "nats", "s", "count"}


# -- however it is run ----------------------------------------------------------------------------


def test_neither_processes_nor_the_order_change_a_figure(built: Table, tmp_path: Path) -> None:
    path = build_table(SETTINGS, ROWS[::-1], 2, tmp_path / "t.arrow", "t", jobs=2)
    assert_same_figures(Table(path), built)


def test_an_interrupted_build_goes_on(built: Table, tmp_path: Path) -> None:
    path, told = tmp_path / "t.arrow", []

    def stop(done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_table(SETTINGS, ROWS, 2, path, "t", progress=stop)
    assert not path.exists()
    assert len(journal_of(path).read_text().splitlines()) == 4  # what they share, and three runs
    build_table(SETTINGS, ROWS, 2, path, "t", progress=lambda done, total: told.append((done, total)))
    assert told == [(3, 6), (4, 6), (5, 6), (6, 6)]
    assert_same_figures(Table(path), built)
    assert list(tmp_path.iterdir()) == [path]


def interrupted(path: Path) -> Path:
    def stop(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_table(SETTINGS, ROWS, 2, path, "t", progress=stop)
    return journal_of(path)


@pytest.mark.parametrize("cut", [1, 40, 10_000])
def test_a_journal_cut_off_anywhere_goes_on(built: Table, tmp_path: Path, cut: int) -> None:
    journal = interrupted(tmp_path / "t.arrow")
    whole = journal.read_bytes()
    journal.write_bytes(whole[: max(5, len(whole) - cut)])  # in the last line, or in the first
    assert_same_figures(Table(build_table(SETTINGS, ROWS, 2, tmp_path / "t.arrow", "t")), built)


def test_a_journal_serves_no_other_build(tmp_path: Path) -> None:
    from dataclasses import replace

    journal = interrupted(tmp_path / "t.arrow")
    kept = journal.read_bytes()
    longer = replace(SETTINGS, recipe=replace(SGD, epochs=3), size=(("channels", 4),))
    with pytest.raises(InputError, match=r"of another build \(other network, recipe\)"):
        build_table(longer, ROWS, 2, tmp_path / "t.arrow", "t")
    journal.write_bytes(kept.replace(b'"valid": [', b'"walid": ['))
    with pytest.raises(InputError, match="damaged: remove the file"):
        build_table(SETTINGS, ROWS, 2, tmp_path / "t.arrow", "t")
    journal.write_text("notes of mine\n")
    with pytest.raises(InputError, match="no journal of a table build"):
        build_table(SETTINGS, ROWS, 2, tmp_path / "t.arrow", "t")


def test_more_seeds_go_on_from_fewer(built: Table, tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        if done == total:
            raise KeyboardInterrupt

    path, told = tmp_path / "t.arrow", []
    with pytest.raises(KeyboardInterrupt):
        build_table(SETTINGS, ROWS[:2], 1, path, "t", progress=stop)
    build_table(SETTINGS, ROWS, 2, path, "t", progress=lambda done, total: told.append(done))
    assert told == [2, 3, 4, 5, 6]
    assert_same_figures(Table(path), built)


# -- which architectures --------------------------------------------------------------------------


def test_all_drawn_or_named() -> None:
    assert np.array_equal(chosen_rows(SPACE), SPACE.at(np.arange(125)))
    drawn = chosen_rows(SPACE, 10)
    assert np.array_equal(drawn, chosen_rows(SPACE, 10))
    assert len(np.unique(SPACE.index(drawn))) == 10
    texts = [SPACE.format(row) for row in ROWS]
    assert np.array_equal(chosen_rows(SPACE, texts=texts), ROWS)
    with pytest.raises(InputError, match=r"1\.\.125"):
        chosen_rows(SPACE, 126)
    with pytest.raises(InputError, match="listed 2 times"):
        chosen_rows(SPACE, texts=[*texts, texts[1]])
    with pytest.raises(InputError, match="empty"):
        chosen_rows(SPACE, texts=[])
    with pytest.raises(ArchitectureError):
        chosen_rows(SPACE, texts=["|nor_conv_9x9~0|+|none~0|none~1|"])


def test_a_space_without_an_enumeration_is_drawn_from() -> None:
    large = get_space("nasbench101")
    drawn = chosen_rows(large, 40)
    assert len(np.unique(large.key(drawn))) == 40
    with pytest.raises(InputError, match="--n or --rows"):
        chosen_rows(large)


# -- the command ----------------------------------------------------------------------------------


def test_the_command_makes_a_table_that_studies_can_name(cli: Cli, home: Path) -> None:
    code, out, err = cli(*WORDS, "--as", "mine")
    assert (code, "2 architectures of nasbench201-3" in out) == (0, True), err
    assert "2 of 2" in err
    facts = json.loads(cli("table", "info", "mine", "--json")[1])
    assert facts["entries"] == 2
    cell = SPACE.format(open_table("mine").rows[1])
    words = ("table", "query", "mine", cell, "--dataset", "digits", "--split", "valid", "--epochs", 1)
    assert json.loads(cli(*words, "--json")[1])["unit"] == "%"
    code, _, err = cli(*WORDS, "--as", "mine")
    assert (code, "give --replace" in err) == (2, True)
    assert cli(*WORDS, "--as", "mine", "--replace")[0] == 0


def test_rows_of_a_file_into_a_file(cli: Cli, tmp_path: Path) -> None:
    rows, out = tmp_path / "rows.txt", tmp_path / "few.arrow"
    rows.write_text(f"# two of them\n{SPACE.format(ROWS[0])}\n\n  {SPACE.format(ROWS[1])}\n")
    words = (*WORDS[:-2], "--rows", rows, "--out", out, "--json")
    code, shown, err = cli(*words)
    assert code == 0, err
    assert json.loads(shown)["name"] == "few"
    assert np.array_equal(Table(out).rows, ROWS[:2])


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--as", "nasbench201"), "is an embedded table"),
        (("--as", "x", "--out", "x.arrow"), "either --as NAME or --out"),
        (("--out", "x.csv"), "ends in .arrow"),
        (("--as", "x", "--jobs", 0), "--jobs"),
        (("--as", "x", "--rows", "none.txt"), "either --n or --rows"),
        (("--as", "x", "--seeds", 0), "--seeds must be a whole number from 1"),
        (("--as", "x", "--stacks", 2), "unknown size 'stacks'"),
        (("--as", "x", "--device", "cuda:99"), "no device cuda:99"),
        (("--as", "x", "--split", 160), "a split of 160"),
        (("--as", "x", "--data", "nothing"), "unknown data set"),
        (("--as", "x", "--space", "natsbench-size"), "has no network"),
        (("--as", "x", "--space", "elsewhere"), "unknown space"),
        (("--as", "x", "--batch-size", 4000), "batch size 4000"),
        (("--as", "x", "--learning-rate", 0), "learning-rate must be a number above 0"),
    ],
)
def test_bad_input_is_one_line(cli: Cli, home: Path, words: tuple[Any, ...], says: str) -> None:
    code, out, err = cli(*WORDS, *words)
    assert code == 2
    assert says in err
    assert err.startswith("benchkit: error: ")
    assert len(err.splitlines()) == 1
    assert out == ""


def test_a_loss_that_is_not_finite_ends_in_one_line_and_keeps_the_rest(cli: Cli, home: Path) -> None:
    code, _, err = cli(*WORDS, "--epochs", 2, "--as", "wild", "--learning-rate", 1e30)
    assert code == 2
    assert "became nan" in err
    assert "try a lower learning rate" in err
    assert not (home / "tables" / "wild.arrow").exists()


# -- the embedded table ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def truth() -> Table:
    return open_table("nasbench201-3")


def final(table: Table, split: str, run: int | None = None) -> np.ndarray[Any, Any]:
    return table.values(Metric("digits", split, table.epochs("digits", split)[0], run))


def connected(rows: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Whether the output hears of the input: over the direct edge, or over the middle node."""
    return (rows[:, 1] != 0) | ((rows[:, 0] != 0) & (rows[:, 2] != 0))


def test_all_cells_are_there_and_the_best_are_good(truth: Table) -> None:
    assert truth.complete
    assert len(truth) == 125
    assert truth.datasets == ["digits"]
    for split in ("valid", "test"):
        assert not np.isnan(final(truth, split)).any()
        assert final(truth, split).max() > 95
    runs = np.array([final(truth, "valid", run) for run in range(3)])
    assert runs.mean(axis=0) == pytest.approx(final(truth, "valid"), abs=1e-5)
    images = runs / 100 * truth.metadata["build"]["images"]["valid"]
    assert np.abs(images - np.round(images)).max() < 1e-3


def test_cells_without_a_path_are_at_chance_and_others_are_not(truth: Table) -> None:
    reached = connected(truth.rows)
    assert (~reached).sum() == 9  # no direct edge, and none into or none out of the middle node
    for split in ("valid", "test"):
        assert final(truth, split)[~reached].max() < 15
        assert final(truth, split)[reached].min() > 50


def test_runs_agree_more_than_chance(truth: Table) -> None:
    reached = connected(truth.rows)
    runs = [final(truth, "valid", run)[reached] for run in range(3)]
    for first, second in ((0, 1), (0, 2), (1, 2)):
        found = kendalltau(runs[first], runs[second])
        assert found.statistic > 0.2  # half of the cells have an isomorphic twin: their order is noise
        assert found.pvalue < 1e-4


def test_isomorphic_cells_are_alike(truth: Table) -> None:
    """Cells that compute one function differ by their runs' noise: no more than runs of one cell do."""
    reached = connected(truth.rows)
    runs = np.array([final(truth, "valid", run) for run in range(3)])
    noise = np.sqrt(runs[:, reached].var(axis=0, ddof=1).mean())  # of one run
    classes = SPACE.canonical(truth.rows)
    squares, freedom = 0.0, 0
    for each in np.unique(classes[reached]):
        members = final(truth, "valid")[classes == each]
        squares += ((members - members.mean()) ** 2).sum()
        freedom += len(members) - 1
    assert freedom > 10
    spread = np.sqrt(squares / freedom)
    assert spread < 2 * noise / np.sqrt(3)  # the means of three runs
    assert spread < final(truth, "valid")[reached].std()


def test_two_cells_trained_again_are_worth_the_embedded_figures(truth: Table) -> None:
    about = truth.metadata["build"]
    settings = BuildSettings("nasbench201-3", "digits")
    seen, test = divide(open_image_set("digits"), parse_split(str(about["data"]["valid"])))
    alone = StandaloneTrainer(SPACE, seen, settings.recipe, size=settings.network(), test=test)
    assert alone.recipe.describe_standalone() == about["recipe"]
    assert settings.network() == about["network"]
    epochs = about["recipe"]["epochs"]
    for index, seed in ((38, 0), (90, 2)):  # a cell that computes, and one of the others
        run, again = (alone.train(SPACE.at(index)[0], seed) for _ in range(2))
        for split, curve, twice in (("valid", run.valid, again.valid), ("test", run.test, again.test)):
            kept = [
                truth.values(Metric("digits", split, epoch, seed, schedule=epochs))[index]
                for epoch in range(1, epochs + 1)
            ]
            assert curve.tolist() == twice.tolist()  # type: ignore[union-attr]
            # other instructions give other last bits, and so another training of the same quality
            if np.round(curve, 5).tolist() != kept:  # type: ignore[arg-type]
                assert curve[-1] == pytest.approx(kept[-1], abs=4)  # type: ignore[index]


def test_the_command_in_the_metadata_is_the_short_one(truth: Table) -> None:
    """All that it spells out is what ``benchkit table build --space nasbench201-3 --data digits`` chooses."""
    settings = BuildSettings("nasbench201-3", "digits")
    words = truth.metadata["build"]["command"].split()
    _, seen, _ = settings.images()
    assert f"{len(seen.valid)}" == words[words.index("--split") + 1]
    assert f"{settings.recipe.epochs}" == words[words.index("--epochs") + 1]
    assert f"{settings.network()['channels']}" == words[words.index("--channels") + 1]
    assert words[words.index("--seeds") + 1] == "3"
