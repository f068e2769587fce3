"""An order that carries meaning outlives the file: studies, look-up tables, checkpoints, journals."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch

from benchkit.base.yaml_text import parse_yaml
from benchkit.data.latency import LatencyLookup
from benchkit.data.latency.lookup import read_latency
from benchkit.strategies.weight_sharing import optimizer_tensors, restore_optimizer
from benchkit.studies.building.run_journal import RunJournal
from benchkit.studies.spec import parse_spec
from benchkit.training import checkpoint as checkpoints
from benchkit.training.standalone import StandaloneRun
from tests.lookups import flat_lookup

LABELS = ["zeta", "op10", "op2", "alpha"]


def test_a_study_keeps_the_order_of_its_strategies_and_data_sets() -> None:
    """Rows of a leaderboard and colours of a figure follow it."""
    study = {
        "name": "orders", "table": "nasbench201", "datasets": ["imagenet16-120", "cifar10", "cifar100"],
        "search": {"split": "valid", "epochs": 200, "score": "mean"}, "report": {"epochs": 200},
        "budget": {"queries": 10}, "seeds": 1,
        "strategies": [
            {"name": "regularized-evolution", "label": label, "options": {"sample": 3, "population": 9}}
            for label in LABELS
        ],
    }  # fmt: skip
    kept = parse_spec(parse_yaml(parse_spec(study, "here").to_yaml(), "kept"), "kept")
    assert [each.label for each in kept.strategies] == LABELS
    assert list(kept.strategies[0].options) == ["sample", "population"]
    assert kept.datasets == ["imagenet16-120", "cifar10", "cifar100"]
    assert kept.to_yaml() == parse_spec(study, "here").to_yaml()


def test_a_look_up_table_keeps_which_layer_and_which_choice_a_figure_is_of(tmp_path: Path) -> None:
    made = flat_lookup("nasbench-macro").document()
    made.pop("sha256")
    for position, layer in enumerate(made["layers"]):
        layer["ms"] = [100.0 * position + choice for choice in range(len(layer["ms"]))]
    made["conditions"]["size"] = {"width": 16, "classes": 10}
    LatencyLookup(**made).write(tmp_path / "l.json")
    rows = np.array([[0, 1, 2, 0, 1, 2, 0, 1], [2, 2, 2, 2, 0, 0, 0, 1]], dtype=np.int8)
    expected = 1.0 + rows.sum(axis=1) + 100.0 * sum(range(8))
    read = read_latency(tmp_path / "l.json")
    assert read.predict(rows).tolist() == expected.tolist()
    # the hash is of the content, however its keys are ordered
    content = json.loads((tmp_path / "l.json").read_text())
    (tmp_path / "sorted.json").write_text(json.dumps(content, sort_keys=True))
    assert read_latency(tmp_path / "sorted.json").sha256 == read.sha256


def test_a_checkpoint_gives_every_parameter_its_own_state(tmp_path: Path) -> None:
    """The format sorts tensors by type and name: 10 comes before 2."""
    named = {str(number): torch.nn.Parameter(torch.full((2,), float(number))) for number in range(12)}
    optimizer = torch.optim.SGD(named.values(), lr=0.1, momentum=0.9)
    for number, parameter in enumerate(named.values()):
        parameter.grad = torch.full((2,), 1.0 + number)
    optimizer.step()
    tensors = {f"momentum.{name}": value for name, value in optimizer_tensors(optimizer, named).items()}
    checkpoints.write(tmp_path, checkpoints.Checkpoint(tensors, {"epoch": 1}))
    read = checkpoints.read(tmp_path / "epoch-0001.json").group("momentum")
    other = torch.optim.SGD(named.values(), lr=0.1, momentum=0.9)
    restore_optimizer(other, named, read)
    found = [float(other.state[parameter]["momentum_buffer"][0]) for parameter in named.values()]
    assert found == [1.0 + number for number in range(12)]


def test_a_journal_of_a_build_goes_on_whatever_the_order_of_its_settings(tmp_path: Path) -> None:
    journal = RunJournal(tmp_path / "j", {"recipe": {"epochs": 2, "alpha": 1}, "data": "digits"})
    for number in (11, 2, 10):
        run = StandaloneRun(np.array([0.5]), np.array([float(number)]), None, 1.0)
        journal.keep((f"op{number}", 0), run)
    again = RunJournal(tmp_path / "j", {"data": "digits", "recipe": {"alpha": 1, "epochs": 2}})
    assert {key: float(run.valid[0]) for key, run in again.runs.items()} == {
        ("op11", 0): 11, ("op2", 0): 2, ("op10", 0): 10
    }  # fmt: skip
