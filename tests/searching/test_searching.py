"""The searching loop against small tables whose every number is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from benchkit.base.errors import InputError
from benchkit.data.tables import Metric, Table, open_table
from benchkit.data.tables.write import Column, TableSource, write_table
from benchkit.searching import Budget, TableEvaluator, Trace, search
from benchkit.searching.table_evaluator import Evaluation
from benchkit.searching.trace import pack, unpack
from benchkit.spaces.base import Architecture, Batch
from benchkit.spaces.categorical import CategoricalSpace
from benchkit.strategies import Ask, get_strategy, strategy_names

SPACE = CategoricalSpace("toy", {"a": list("wxyz"), "b": list("pqrs")})
N = SPACE.size


def make_table(folder: Path, **columns: np.ndarray) -> Table:
    """16 architectures: run 0 scores i, run 1 scores i + 0.5 (missing for the last), test scores 99 - i."""
    i = np.arange(N, dtype=float)
    run1 = np.where(i == N - 1, np.nan, i + 0.5)
    metrics = {
        Metric("d", "valid", 100, 0): Column(i),
        Metric("d", "valid", 100, 1): Column(run1),
        Metric("d", "valid", 100): Column(np.nanmean([i, run1], axis=0)),
        Metric("d", "valid", 10): Column(i / 2),
        Metric("d", "test", 100): Column(99 - i),
        Metric("d", None, 100, quantity="train_seconds"): Column(i + 1),
        Metric("d", None, 100, 1, quantity="train_seconds"): Column(i + 500),
        Metric("d", None, 50, schedule=100, quantity="train_seconds"): Column(i + 900),
    }
    source = TableSource("toy", SPACE, "toy", "made here", "CC0", {"in": "0" * 64})
    write_table(folder / "toy.arrow", source, SPACE.at(np.arange(N)), metrics)
    return Table(folder / "toy.arrow")


@pytest.fixture
def table(tmp_path: Path) -> Table:
    return make_table(tmp_path)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


class Scripted:
    """Asks given batches, and remembers what it was told."""

    def __init__(self, *asks: Ask) -> None:
        self.asks = list(asks)
        self.told: list[list[float]] = []

    def ask(self) -> Ask:
        return self.asks.pop(0) if self.asks else Ask(np.empty((0, 2), np.int8))

    def tell(self, batch: Batch, scores: np.ndarray) -> None:
        assert len(batch) == len(scores)
        self.told.append(scores.tolist())

    def recommend(self) -> Architecture:
        raise NotImplementedError


def asking(*indices: int, fidelity: int | None = None) -> Ask:
    return Ask(SPACE.at(list(indices)), fidelity)


def test_mean_and_single_runs_are_what_they_say(table: Table, rng: np.random.Generator) -> None:
    batch = SPACE.at([0, 3, 15])
    for score, expected in (("mean", [0.25, 3.25, 15.0]), (0, [0.0, 3.0, 15.0])):
        evaluator = TableEvaluator(table, "d", "valid", 100, score, rng)
        assert evaluator.evaluate(batch).scores.tolist() == expected


def test_a_run_is_drawn_anew_at_every_query_among_those_present(
    table: Table, rng: np.random.Generator
) -> None:
    evaluator = TableEvaluator(table, "d", "valid", 100, "run", rng)
    scores = evaluator.evaluate(SPACE.at(np.full(2000, 3))).scores
    assert set(scores) == {3.0, 3.5}
    assert 0.45 < (scores == 3.0).mean() < 0.55
    assert set(evaluator.evaluate(SPACE.at(np.full(50, 15))).scores) == {15.0}  # it has run 0 only
    assert evaluator.fidelities == (100,)  # 10 epochs has no separate runs


def test_seconds_scale_with_epochs(table: Table, rng: np.random.Generator) -> None:
    evaluator = TableEvaluator(table, "d", "valid", 100, "mean", rng)
    assert evaluator.fidelities == (10, 100)
    full, tenth = evaluator.evaluate(SPACE.at([3])), evaluator.evaluate(SPACE.at([3]), 10)
    assert full.seconds is not None
    assert tenth.seconds is not None
    assert full.seconds[0] == 4.0
    assert tenth.seconds[0] == pytest.approx(0.4)
    assert tenth.scores[0] == 1.5


def test_a_search_cannot_reach_a_test_column(table: Table, rng: np.random.Generator) -> None:
    evaluator = TableEvaluator(table, "d", "valid", 100, "mean", rng)
    seen: set[int] = set()
    values: list[np.ndarray] = []

    def walk(thing: object) -> None:
        """Collect every array that can be reached from the evaluator, and refuse any table."""
        if id(thing) in seen:
            return
        seen.add(id(thing))
        assert not isinstance(thing, Table)
        if isinstance(thing, np.ndarray):
            values.append(thing)
        elif isinstance(thing, dict):
            for item in [*thing.keys(), *thing.values()]:
                walk(item)
        elif isinstance(thing, list | tuple | set):
            for item in thing:
                walk(item)
        else:
            slots = getattr(type(thing), "__slots__", ())
            for name in [*getattr(thing, "__dict__", {}), *slots]:
                walk(getattr(thing, name, None))

    walk(evaluator)
    test = table.values(Metric("d", "test", 100))
    floats = [array for array in values if array.dtype == np.float64 and array.size]
    assert floats
    assert not any(np.isin(test[1:], array).any() for array in floats if array.shape[-1] == N)


def test_test_split_is_refused_where_there_is_validation(table: Table, rng: np.random.Generator) -> None:
    with pytest.raises(InputError, match="must see split 'valid'"):
        TableEvaluator(table, "d", "test", 100, "mean", rng)
    macro = open_table("nasbench-macro")
    assert TableEvaluator(macro, "cifar10", "test", 50, 0, rng).fidelities == (50,)


def test_runs_that_are_not_there_are_refused(rng: np.random.Generator) -> None:
    with pytest.raises(InputError, match="no separate runs of cifar10 valid at 12 epochs; use score: mean"):
        TableEvaluator(open_table("nasbench201"), "cifar10", "valid", 12, "run", rng)


def test_what_has_no_score_is_not_in_the_space(table: Table, rng: np.random.Generator) -> None:
    evaluator = TableEvaluator(table, "d", "valid", 100, 1, rng)
    (missing,) = np.flatnonzero(np.isnan(table.values(Metric("d", "valid", 100, 1))))
    assert (evaluator.space.size, evaluator.space.complete) == (15, False)
    rest = np.delete(table.rows, missing, axis=0)
    expected = np.delete(table.values(Metric("d", "valid", 100, 1)), missing)
    np.testing.assert_array_equal(evaluator.evaluate(rest).scores, expected)
    with pytest.raises(InputError, match="not one of the 15"):
        evaluator.evaluate(table.rows[[missing]])


def test_the_budget_ends_inside_a_batch(table: Table, rng: np.random.Generator) -> None:
    strategy = Scripted(asking(1, 2, 3), asking(4, 5, 6), asking(7))
    trace = search(strategy, TableEvaluator(table, "d", "valid", 100, 0, rng), Budget(queries=5))
    assert strategy.told == [[1.0, 2.0, 3.0], [4.0, 5.0]]
    assert trace.queries.tolist() == [1, 2, 3, 4, 5]
    assert len(strategy.asks) == 1


def test_no_work_is_done_beyond_the_budget(table: Table, rng: np.random.Generator) -> None:
    """Without recorded seconds a score is work of our own: only what the budget pays for is scored."""

    class Own:
        full_fidelity, has_seconds = 10, False

        def __init__(self) -> None:
            self.space, self.scored = table.space, []

        def evaluate(self, batch: Batch, fidelity: int | None = None) -> Evaluation:
            self.scored.append(len(batch))
            return Evaluation(np.arange(len(batch), dtype=np.float64), None)

    class Cheap(get_strategy("random-search")):  # type: ignore[misc]
        def propose(self) -> Ask:
            return Ask(self.space.sample(self.rng, 4), 7)  # 0.7 of a query each

    own = Own()
    trace = search(Cheap(table.space, rng), own, Budget(queries=5))
    assert own.scored == [4, 3]
    assert trace.queries[-1] == pytest.approx(4.9)


def test_simulated_seconds_are_never_exceeded(table: Table, rng: np.random.Generator) -> None:
    # costs i + 1: 3 + 4 = 7, and 8 more would make 15
    strategy = Scripted(asking(2), asking(3), asking(7), asking(0))
    budget = Budget(simulated_seconds=14.9)
    trace = search(strategy, TableEvaluator(table, "d", "valid", 100, 0, rng), budget)
    assert trace.seconds.tolist() == [3.0, 7.0]
    exact = search(Scripted(asking(2), asking(3)), TableEvaluator(table, "d", "valid", 100, 0, rng),
                   Budget(simulated_seconds=7))  # fmt: skip
    assert exact.seconds.tolist() == [3.0, 7.0]


def test_a_lower_fidelity_costs_its_share(table: Table, rng: np.random.Generator) -> None:
    strategy = Scripted(asking(1, 2, fidelity=10), asking(2), asking(3, fidelity=10), asking(4))
    trace = search(strategy, TableEvaluator(table, "d", "valid", 100, "mean", rng), Budget(queries=2))
    assert trace.queries.tolist() == pytest.approx([0.1, 0.2, 1.2, 1.3])
    assert trace.fidelity.tolist() == [10, 10, 100, 10]
    assert strategy.told[-1] == [1.5]  # the last ask did not fit and was not answered


def test_repeated_queries_are_paid_for_and_counted(table: Table, rng: np.random.Generator) -> None:
    strategy = Scripted(asking(1, 1, 1, 2))
    trace = search(strategy, TableEvaluator(table, "d", "valid", 100, 0, rng), Budget(queries=4))
    assert trace.queries[-1] == 4
    assert trace.distinct() == 2


def test_an_empty_ask_ends_the_trial(table: Table, rng: np.random.Generator) -> None:
    trace = search(Scripted(asking(1)), TableEvaluator(table, "d", "valid", 100, 0, rng), Budget(queries=9))
    assert len(trace) == 1
    nothing = search(Scripted(), TableEvaluator(table, "d", "valid", 100, 0, rng), Budget(queries=9))
    assert (len(nothing), nothing.distinct()) == (0, 0)


def test_seconds_need_a_table_that_has_them(rng: np.random.Generator) -> None:
    evaluator = TableEvaluator(open_table("nasbench-macro"), "cifar10", "test", 50, 0, rng)
    with pytest.raises(InputError, match="no training seconds"):
        search(Scripted(), evaluator, Budget(simulated_seconds=1))


@pytest.mark.parametrize("limits", [{}, {"queries": 1, "simulated_seconds": 1}, {"queries": 0},
                                    {"queries": -1}, {"simulated_seconds": float("nan")}])  # fmt: skip
def test_a_budget_is_one_positive_number(limits: dict[str, float]) -> None:
    with pytest.raises(InputError, match="budget"):
        Budget(**limits)


def test_incumbents_by_hand() -> None:
    n = 5
    trace = Trace(
        batch=np.zeros((n, 1), np.int8),
        scores=np.array([50.0, 60, 10, 10, 40]),
        fidelity=np.array([10, 10, 100, 100, 10], np.int32),
        queries=np.arange(n, dtype=float),
        seconds=np.zeros(n),
    )
    # any score at 100 epochs outranks those at 10; among equals the first stays
    assert trace.incumbents().tolist() == [0, 1, 2, 2, 2]


def test_the_digest_sees_every_field() -> None:
    fields = {
        "batch": np.zeros((2, 3), np.int8),
        "scores": np.array([1.0, 2.0]),
        "fidelity": np.array([5, 5], np.int32),
        "queries": np.array([1.0, 2.0]),
        "seconds": np.array([1.0, 2.0]),
    }
    digests = {Trace(**fields).digest()}  # type: ignore[arg-type]
    for name, value in fields.items():
        changed = value.copy()
        changed.flat[-1] = 4
        digests.add(Trace(**{**fields, name: changed}).digest())  # type: ignore[arg-type]
    assert len(digests) == 6
    assert Trace(**fields).digest() in digests  # type: ignore[arg-type]


@given(
    npst.arrays(np.int8, st.tuples(st.integers(0, 6), st.integers(1, 9)), elements=st.integers(0, 100)),
)
def test_packing_is_lossless_and_small(batch: Batch) -> None:
    arity = [101] * batch.shape[1]
    packed = pack(batch, arity)
    assert packed.shape == (len(batch), (7 * batch.shape[1] + 7) // 8)
    assert np.array_equal(unpack(packed, arity), batch)


TABLES = {
    "nasbench201": ("cifar10", "valid", 200, "mean"),
    "nasbench201-run": ("cifar100", "valid", 200, "run"),
    "nasbench101-sample": ("cifar10", "valid", 108, 0),
    "nasbench-macro": ("cifar10", "test", 50, 0),
    "nasbench201-3": ("digits", "valid", 12, "run"),
}
CHEAP = {
    "bananas": {"epochs": 3, "layers": 2, "candidates": 10},
    "vaenas": {"initial": 10, "epsilon_step": 0.03, "iterations": 4, "hidden": 8},
}


@pytest.mark.parametrize("name", strategy_names())
@pytest.mark.parametrize("which", TABLES)
def test_every_strategy_on_every_embedded_table(name: str, which: str) -> None:
    """Same seed same trace; budget kept; only valid architectures; global generators untouched."""
    table = open_table(which.removesuffix("-run"))
    dataset, split, epochs, score = TABLES[which]
    kind = get_strategy(name)
    if kind.needs_complete and not table.complete:
        pytest.skip("not applicable: needs a complete space")

    def once(seed: int) -> Trace:
        for_strategy, for_evaluator = np.random.default_rng(seed).spawn(2)
        evaluator = TableEvaluator(table, dataset, split, epochs, score, for_evaluator)  # type: ignore[arg-type]
        options: dict[str, object] = dict(CHEAP.get(name, {}))
        if kind.multi_fidelity:
            if len(evaluator.fidelities) < 2:
                pytest.skip("not applicable: one fidelity")
            options["fidelities"] = evaluator.fidelities
        strategy = kind(table.space, for_strategy, **options)
        trace = search(strategy, evaluator, Budget(queries=45))
        assert table.space.is_valid(strategy.recommend()[None]).all()
        return trace

    before = np.random.get_state()[1].tobytes()  # type: ignore[index,union-attr]  # noqa: NPY002
    first, again, other = once(1), once(1), once(2)
    assert np.random.get_state()[1].tobytes() == before  # type: ignore[index,union-attr]  # noqa: NPY002
    assert first.digest() == again.digest() != other.digest()
    assert table.space.is_valid(first.batch).all()
    assert 40 <= first.queries[-1] <= 45 + 1e-9
