"""Studies under a constraint: who takes part, what is recommended, what regret is measured from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from benchkit.base.errors import InputError
from benchkit.data.tables import Metric, open_table
from benchkit.reports.api import run_study as run
from benchkit.strategies import get_strategy
from benchkit.strategies.random_search import RandomSearch
from benchkit.studies.plan import make_plan
from benchkit.studies.spec import StudySpec, load_spec, parse_spec
from benchkit.studies.store import StudyDirectory
from benchkit.studies.trial import build_strategy
from benchkit.studies.verify import verify
from tests.lookups import flat_lookup

Cli = Callable[..., tuple[int, str, str]]

STUDY: dict[str, Any] = {
    "name": "limited",
    "table": "nasbench201",
    "datasets": ["cifar10"],
    "search": {"split": "valid", "epochs": 200, "score": "mean"},
    "report": {"epochs": 200},
    "budget": {"queries": 30},
    "seeds": 2,
    "strategies": ["random-search", "regularized-evolution", "tpe"],
}


def study(**changes: Any) -> StudySpec:
    return parse_spec({**STUDY, **changes}, "the test's study")


def test_only_strategies_that_take_a_constraint_take_part() -> None:
    plan = make_plan(study(constraint={"cost": "latency", "max": 14.0}), open_table("nasbench201"))
    assert {trial.label for trial in plan.trials} == {"random-search", "regularized-evolution"}
    assert plan.not_applicable == {"tpe": "takes no constraint; this study limits latency to 14 ms"}
    assert plan.constraint["cifar10"]["source"] == {"column": "cifar10.latency_seconds"}


def test_a_study_without_a_constraint_is_written_as_before_there_was_one() -> None:
    assert "constraint" not in study().to_yaml()
    assert "constraint" in study(constraint={"cost": "params", "max": 1.0}).to_yaml()


def test_what_is_asked_and_recommended_keeps_the_limit(tmp_path: Path) -> None:
    table = open_table("nasbench201")
    spec = study(constraint={"cost": "params", "max": 0.4})
    out = run(spec, tmp_path / "out")
    parameters = Metric("cifar10", None, None, quantity="parameters")
    asked = out.read_architectures(table.base_space)
    assert np.asarray(table.query(asked, parameters)).max() <= 400_000
    kept = np.asarray(table.values(parameters)) <= 400_000
    manifest = out.read_manifest()["constraint"]["cifar10"]
    assert (manifest["cost"], manifest["max"], manifest["feasible"]) == ("params", 0.4, int(kept.sum()))
    # regret: to the best within the limit, not to the table's
    valid = Metric("cifar10", "valid", 200)
    best = np.asarray(table.values(valid))[kept].max()
    assert best < table.optimum(valid).value
    trials = out.read_trials()
    assert np.asarray([table.query(str(row), parameters) for row in trials.recommended]).max() <= 400_000
    assert trials.regret.to_numpy() == pytest.approx(best - trials.valid.to_numpy(), abs=1e-6)
    traces = out.read_traces()
    assert traces.regret.min() >= 0
    last = traces.groupby(["strategy", "seed"]).regret.last()
    reported = trials.set_index(["strategy", "seed"]).regret
    assert last.sort_index().to_numpy() == pytest.approx(reported.sort_index().to_numpy(), abs=1e-6)


def test_a_look_up_table_goes_with_the_study(tmp_path: Path) -> None:
    lookup = flat_lookup("nasbench201")
    folder = tmp_path / "made"
    lookup.write(folder / "latency.json")
    wanted = {
        **STUDY,
        "seeds": 1,
        "constraint": {"cost": "latency", "max": 8.0, "latency": "latency.json"},
    }
    (folder / "study.yaml").write_text(yaml.safe_dump(wanted))
    spec = load_spec(folder / "study.yaml")
    out = run(spec, tmp_path / "out")
    (folder / "latency.json").unlink()  # the study has its own
    asked = out.read_architectures(open_table("nasbench201").base_space)
    assert lookup.predict(asked).max() <= 8.0
    source = out.read_manifest()["constraint"]["cifar10"]["source"]
    assert source["latency look-up table"]["sha256"] == lookup.sha256
    assert StudyDirectory(tmp_path / "out").spec() == spec
    assert verify(tmp_path / "out").different is None


def test_another_limit_or_look_up_table_is_another_study(tmp_path: Path) -> None:
    def limited(most: float, ms: float) -> StudySpec:
        document = flat_lookup("nasbench201", ms).document()
        return study(seeds=1, constraint={"cost": "latency", "max": most, "latency": document})

    run(limited(8.0, 1.0), tmp_path / "out")
    run(limited(8.0, 1.0), tmp_path / "out")
    for other in (limited(9.0, 1.0), limited(8.0, 1.5), study(seeds=1)):
        with pytest.raises(InputError, match=r"another study \(limited: constraint cost latency, max 8.0"):
            run(other, tmp_path / "out")


@pytest.mark.parametrize(
    ("constraint", "message"),
    [
        ({"cost": "speed", "max": 1.0}, "constraint.cost: .*'latency', 'params' or 'flops'"),
        ({"cost": "params"}, "constraint.max: Field required"),
        ({"cost": "params", "max": 0}, "constraint.max: must be a number above 0"),
        ({"cost": "params", "max": 1, "least": 0}, "unknown key 'least' for the constraint of a study"),
        ({"cost": "latency", "max": 1.0, "latency": "none.json"}, "cannot read latency file none.json"),
        ({"cost": "params", "max": 1.0, "latency": {}}, "goes with a limit of latency"),
        ({"cost": "latency", "max": 1.0, "latency": {"sha256": "0"}}, "latency look-up table of this study"),
    ],
)
def test_a_wrong_constraint_is_refused(constraint: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        study(constraint=constraint)


def test_a_changed_look_up_table_is_refused(tmp_path: Path) -> None:
    document = flat_lookup("nasbench201").document()
    document["layers"][0]["ms"][1] = 0.5
    with pytest.raises(InputError, match="was changed after it was measured"):
        study(constraint={"cost": "latency", "max": 8.0, "latency": document})


def test_a_limit_that_nothing_keeps_is_refused_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"no architecture of table nasbench201 keeps params=0.01 .*smallest has 0.07331"
    ):
        run(study(constraint={"cost": "params", "max": 0.01}), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_leaderboard_says_the_limit(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump({**STUDY, "constraint": {"cost": "latency", "max": 14.0}}))
    code, _, err = cli("leaderboard", "run", path, "--out", tmp_path / "out")
    assert code == 0, err
    code, shown, _ = cli("leaderboard", "show", tmp_path / "out")
    assert code == 0
    assert "limit on cifar10: latency at most 14 ms, which " in shown
    assert "regret to the best within the limit" in shown
    assert "not applicable: tpe: takes no constraint; this study limits latency to 14 ms" in shown


# -- strategies that plan their queries ------------------------------------------------------------


@dataclass(frozen=True)
class PlannedHyperparameters:
    queries: int | None = None
    batch: int = 8


class Planned(RandomSearch):
    """Random search that wants to know its queries beforehand."""

    name = "planned"
    plans_queries = True
    Hyperparameters = PlannedHyperparameters  # type: ignore[assignment]


@pytest.fixture
def planned(monkeypatch: pytest.MonkeyPatch) -> None:
    def with_planned(name: str) -> Any:
        return Planned if name == "planned" else get_strategy(name)

    for module in ("plan", "trial"):
        monkeypatch.setattr(f"benchkit.studies.{module}.get_strategy", with_planned)


@pytest.mark.usefixtures("planned")
def test_a_strategy_that_plans_is_told_its_queries() -> None:
    table = open_table("nasbench201")

    def told(**changes: Any) -> Any:
        spec = study(strategies=changes.pop("strategies", ["planned"]), **changes)
        described = spec.strategies[0]
        made = build_strategy(spec, described, table, "cifar10", (200,), np.random.default_rng(0))
        return made.hyperparameters.queries

    assert told() == 30
    assert told(budget={"queries": 12.9}) == 12
    assert told(strategies=[{"name": "planned", "options": {"queries": 7}}]) == 7


@pytest.mark.usefixtures("planned")
def test_without_a_number_of_queries_it_does_not_apply() -> None:
    table = open_table("nasbench201")
    seconds = {"simulated_seconds": 1e5}
    plan = make_plan(study(strategies=["random-search", "planned"], budget=seconds), table)
    assert "give the budget in queries" in plan.not_applicable["planned"]
    own = [{"name": "planned", "options": {"queries": 7}}]
    assert not make_plan(study(strategies=own, budget=seconds), table).not_applicable
