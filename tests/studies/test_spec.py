"""Specifications: the presets hold, and a wrong key is named in one line."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from benchkit.base.errors import InputError
from benchkit.base.yaml_text import read_yaml
from benchkit.data.tables import open_table
from benchkit.spaces import get_space
from benchkit.strategies import get_strategy, strategy_names
from benchkit.studies.plan import make_plan
from benchkit.studies.spec import StudySpec, load_preset, load_spec, load_study, parse_spec, preset_names

STUDY: dict[str, Any] = {
    "name": "s",
    "table": "nasbench201",
    "datasets": ["cifar10", "cifar100"],
    "search": {"split": "valid", "epochs": 200, "score": "mean"},
    "report": {"epochs": 200},
    "budget": {"queries": 20},
    "seeds": 2,
    "strategies": ["random-search", {"name": "tpe", "label": "tpe-5", "options": {"startup": 5}}],
}


def refused(data: Any) -> str:
    """Return the one line with which a study is refused."""
    with pytest.raises(InputError) as caught:
        parse_spec(data, "my.yaml")
    line = str(caught.value)
    assert line.startswith("my.yaml") or line.startswith("unknown key") or "my.yaml" in line
    assert "\n" not in line
    return line


# -- presets ----------------------------------------------------------------------------------


EMBEDDED = ("nasbench201", "nasbench101-sample", "nasbench-macro")


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    "name", [name for name in preset_names() if isinstance(load_preset(name), StudySpec)]
)
def test_every_preset_parses_and_its_options_are_accepted(name: str) -> None:
    spec = load_preset(name)
    assert spec.name == name
    if spec.table not in EMBEDDED:  # a table to be fetched is that of a whole built-in space
        space = get_space(spec.table.removesuffix("-full"))
        for strategy in spec.strategies:
            kind = get_strategy(strategy.name)
            told = {"fidelities": (spec.search.epochs,)} if kind.multi_fidelity else {}
            kind(space, np.random.default_rng(0), **{**told, **strategy.options})
        return
    plan = make_plan(spec, open_table(spec.table))
    assert plan.not_applicable == {}
    assert len(plan.trials) == len(spec.datasets) * len(spec.strategies) * spec.seeds
    assert len({trial.name for trial in plan.trials}) == len(plan.trials)


def test_the_presets_are_what_the_documentation_promises() -> None:
    quick, full, protocol = (load_preset(name) for name in ("quick", "full", "nb201-12k"))
    assert (quick.seeds, quick.budget.queries, quick.search.score) == (10, 150, "mean")
    assert quick.datasets == full.datasets == ["cifar10", "cifar100", "imagenet16-120"]
    assert (full.seeds, full.budget.queries) == (100, 300)
    assert [strategy.name for strategy in full.strategies] == strategy_names()
    assert (protocol.seeds, protocol.budget.simulated_seconds, protocol.search.epochs) == (500, 12_000, 12)
    assert protocol.datasets == ["cifar10"]
    assert protocol.report.datasets == quick.datasets
    assert "not protocol-equal" in next(s.note for s in protocol.strategies if s.name == "bohb")


def test_an_unknown_preset_lists_those_there_are() -> None:
    with pytest.raises(InputError, match=r"unknown preset 'quikc'.*did you mean 'quick'"):
        load_preset("quikc")


# -- what is refused --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"seed": 3}, "unknown key 'seed' for a study.*did you mean 'seeds'"),
        ({"search": {"split": "valid", "epoch": 200, "score": "mean"}}, "'epoch' for the search.*'epochs'"),
        ({"report": {"epochs": 200, "tset": "mean"}}, "'tset' for the report.*'test'"),
        ({"budget": {"query": 3}}, "'query' for the budget.*'queries'"),
        ({"strategies": [{"name": "tpe", "option": {}}]}, "'option' for the strategies.*'options'"),
        ({1: 2}, "1: "),
        ({"seeds": "3"}, "seeds: .*integer.*'3'"),
        ({"seeds": 2.5}, "seeds: .*integer"),
        ({"seeds": True}, "seeds: .*integer"),
        ({"seeds": 0}, "seeds: must be a whole number from 1 to 1,000,000; got 0"),
        ({"seeds": 2147483648}, "seeds: must be a whole number from 1 to 1,000,000; got 2147483648"),
        (
            {"seeds": 300_000},
            "2 strategies on 2 data sets .* 1,200,000 trials; .* at most 1,000,000",
        ),
        ({"name": 7}, "name: .*string"),
        ({"datasets": "cifar10"}, "datasets: .*list"),
        ({"datasets": [10]}, "datasets.0: .*string"),
        ({"datasets": []}, "datasets: must not be empty"),
        ({"datasets": ["cifar10", "cifar10"]}, "datasets: names something twice"),
        ({"strategies": "tpe"}, "strategies: .*list"),
        ({"strategies": []}, "strategies: must not be empty"),
        ({"strategies": [None]}, "strategies.0"),
        ({"strategies": [{"label": "x"}]}, "strategies.0.name: Field required"),
        ({"strategies": ["tpe", "tpe"]}, "strategies: names something twice"),
        ({"strategies": ["tpe", {"name": "bohb", "label": "tpe"}]}, "two strategies are labelled 'tpe'"),
        ({"search": None}, "search: "),
        ({"search": {"split": "val", "epochs": 200, "score": "mean"}}, "search.split: .*'valid' or 'test'"),
        (
            {"search": {"split": "valid", "epochs": 0, "score": "mean"}},
            "search.epochs: must be .*got 0",
        ),
        ({"search": {"split": "valid", "epochs": 200, "score": "best"}}, "search.score: .*'best'"),
        ({"search": {"split": "valid", "epochs": 200, "score": -1}}, "search.score: "),
        ({"report": {"epochs": 200, "valid": None, "test": None}}, "report: report needs valid or test"),
        ({"report": {"epochs": 200, "datasets": []}}, "report.datasets: must not be empty"),
        ({"report": {"epochs": 200, "datasets": ["cifar10"]}}, "report.datasets goes with one searched"),
    ],
)
def test_a_wrong_key_or_value_is_named(change: dict[Any, Any], says: str) -> None:
    assert re.search(says, refused({**STUDY, **change}))


@pytest.mark.parametrize(
    "key", ["name", "table", "datasets", "search", "report", "budget", "seeds", "strategies"]
)
def test_a_missing_key_is_named(key: str) -> None:
    line = refused({name: value for name, value in STUDY.items() if name != key})
    assert f"{key}: Field required" in line


@pytest.mark.parametrize("kind", ["queries", "simulated_seconds"])
@pytest.mark.parametrize("amount", [0, -1, -0.5, float("inf"), float("nan"), "20", True])
def test_a_budget_is_a_positive_finite_number(kind: str, amount: Any) -> None:
    assert f"budget.{kind}" in refused({**STUDY, "budget": {kind: amount}})


@pytest.mark.parametrize("budget", [{}, {"queries": 3, "simulated_seconds": 3}])
def test_a_budget_is_queries_or_seconds(budget: dict[str, int]) -> None:
    assert "either queries or simulated_seconds" in refused({**STUDY, "budget": budget})


@pytest.mark.parametrize("data", [None, [], ["name"], "name", 3])
def test_a_study_is_a_mapping(data: Any) -> None:
    assert "my.yaml is not a study" in refused(data)


# -- files ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [b"[", b"a: b: c", b"\x00", b"name: !!python/name:os.system", b"seeds: 1\nseeds: 2"],
    ids=["open", "nested", "nul", "python", "twice"],
)
def test_a_file_that_is_not_yaml_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "s.yaml").write_bytes(content)
    with pytest.raises(InputError, match=r"s\.yaml is not YAML: ") as caught:
        load_spec(tmp_path / "s.yaml")
    assert "\n" not in str(caught.value)


def test_a_key_given_twice_is_named(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(yaml.safe_dump(STUDY) + "seeds: 9\n")
    with pytest.raises(InputError, match="key 'seeds' is given twice"):
        load_spec(tmp_path / "s.yaml")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes(b"name: caf\xe9")
    for path, says in [
        (tmp_path / "none.yaml", "No such file"),
        (tmp_path, "Is a directory"),
        (tmp_path / "latin.yaml", "not UTF-8"),
    ]:
        with pytest.raises(InputError, match=f"cannot read study {path}: {says}"):
            load_spec(path)


def test_a_kept_study_reads_back_as_itself(tmp_path: Path) -> None:
    spec = parse_spec(STUDY, "here")
    (tmp_path / "s.yaml").write_text(spec.to_yaml())
    assert load_study(str(tmp_path / "s.yaml")) == load_spec(tmp_path / "s.yaml") == spec
    assert load_study("quick") == load_preset("quick")


# -- options of the command line --------------------------------------------------------------


def test_a_listed_strategy_keeps_its_options_and_another_takes_its_defaults() -> None:
    spec = parse_spec(STUDY, "here").replaced(strategies=["reinforce", "tpe-5"])
    assert [(s.name, s.label, s.options) for s in spec.strategies] == [
        ("reinforce", "reinforce", {}),
        ("tpe", "tpe-5", {"startup": 5}),
    ]


def test_only_what_is_asked_for_is_replaced() -> None:
    spec = parse_spec(STUDY, "here")
    assert spec.replaced() == spec
    other = spec.replaced(datasets=["imagenet16-120"], seeds=9, queries=7)
    assert (other.datasets, other.seeds, other.budget.queries) == (["imagenet16-120"], 9, 7)
    assert other.strategies == spec.strategies
    seconds = parse_spec({**STUDY, "budget": {"simulated_seconds": 5}}, "here").replaced(queries=7)
    assert seconds.budget.simulated_seconds is None


@pytest.mark.parametrize(
    "wrong", [{"seeds": 0}, {"queries": -3}, {"queries": float("inf")}, {"datasets": []}]
)
def test_replacements_are_checked_like_the_file(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="the command line's options"):
        parse_spec(STUDY, "here").replaced(**wrong)


# -- against the table ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"strategies": ["hill-climbing"]}, "unknown strategy 'hill-climbing'"),
        ({"strategies": [{"name": "tpe", "options": {"startups": 5}}]}, "unknown hyperparameter 'startups'"),
        ({"strategies": [{"name": "random-search", "options": {"batch": 0}}]}, "batch must be at least 1"),
        ({"strategies": [{"name": "random-search", "options": {"batch": 2.5}}]}, "batch: .*integer.*2.5"),
        ({"strategies": [{"name": "random-search", "options": {"batch": "x"}}]}, "batch: .*integer.*'x'"),
        ({"strategies": [{"name": "bohb", "options": {"fidelities": 12}}]}, "fidelities: .*tuple"),
        ({"strategies": [{"name": "reinforce", "options": {"preset": "x"}}]}, "unknown preset 'x'"),
        ({"strategies": [{"name": "reinforce", "options": {"preset": []}}]}, "preset: .*string"),
        ({"datasets": ["cifar-10"]}, "unknown dataset 'cifar-10'.*cifar10"),
        ({"search": {"split": "test", "epochs": 200, "score": "mean"}}, "must see split 'valid'"),
        ({"search": {"split": "valid", "epochs": 90, "score": "mean"}}, "unknown epochs '90'.*12, 200"),
        ({"search": {"split": "valid", "epochs": 12, "score": "run"}}, "no separate runs"),
        ({"search": {"split": "valid", "epochs": 200, "score": 7}}, "unknown run '7'"),
        ({"report": {"epochs": 90}}, "unknown epochs '90'"),
        ({"report": {"epochs": 200, "test": 0}}, "unknown run '0'"),
    ],
)
def test_what_the_table_or_a_strategy_does_not_have_is_named(change: dict[str, Any], says: str) -> None:
    spec = parse_spec({**STUDY, **change}, "here")
    with pytest.raises(InputError, match=says) as caught:
        make_plan(spec, open_table(spec.table))
    assert "\n" not in str(caught.value)


def test_options_of_a_file_reach_the_strategy() -> None:
    strategies = [
        {"name": "bohb", "options": {"fidelities": [12, 200], "eta": 2}},
        {"name": "reinforce", "options": {"learning_rate": 1}},
    ]
    spec = parse_spec({**STUDY, "strategies": strategies}, "here")
    assert len(make_plan(spec, open_table(spec.table)).trials) == 8


def test_only_true_and_false_are_booleans_in_yaml(tmp_path: Path) -> None:
    path = tmp_path / "choices.yaml"
    path.write_text("choices: [on, off, yes, no, y, true, False, 1, none, null]\n")
    assert read_yaml(path) == {"choices": ["on", "off", "yes", "no", "y", True, False, 1, "none", None]}
