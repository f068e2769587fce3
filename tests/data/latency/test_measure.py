"""Measuring by parts, on a clock that the modules themselves move: what is timed, and that it adds up."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor, nn

from benchkit.analysis.statistics.latency_check import check_sums
from benchkit.base.errors import InputError
from benchkit.data.latency.measure import LatencySettings, measure_latency
from benchkit.data.latency.parts import parts_of
from benchkit.data.latency.stopwatch import Stopwatch, Timing, Work
from benchkit.spaces import get_space
from benchkit.spaces.counts import count
from benchkit.spaces.engine import build_supernet

pytestmark = pytest.mark.usefixtures("one_thread")


class FakeClock:
    """Seconds that pass in convolutions and classifiers alone: one for a multiply-add of an image."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def tick(self, module: nn.Module, _: Any, output: Tensor) -> None:
        if isinstance(module, nn.Conv2d):
            self.now += module.weight[0].numel() * output[0].numel()
        elif isinstance(module, nn.Linear):
            self.now += module.weight.numel()


@pytest.fixture
def clock() -> Iterator[FakeClock]:
    clock = FakeClock()
    hook = torch.nn.modules.module.register_module_forward_hook(clock.tick)
    yield clock
    hook.remove()


ONCE: dict[str, Any] = {"batch": 1, "warmup": 0, "repeats": 1, "check": 12}
SETTINGS = {
    "nasbench-macro": {"image_size": 9, "size": {"channels": 4, "features": 8}},
    "shufflenet": {"image_size": 16, "classes": 7, "size": {"divisor": 8}},
    "mobile-small:6": {"image_size": 16, "classes": 7, "size": {"divisor": 8, "squeeze": 1}},
    "nasbench201": {"image_size": 8, "size": {"channels": 2, "cells": 2}},
}


def settings_of(name: str, **changes: Any) -> LatencySettings:
    """Return the settings of a small network that is measured once."""
    return LatencySettings(name, **{**ONCE, **SETTINGS[name], **changes})


@pytest.mark.parametrize("name", ["nasbench-macro", "shufflenet", "mobile-small:6"])
def test_sums_of_parts_are_whole_networks(name: str, clock: FakeClock) -> None:
    settings = settings_of(name)
    lookup = measure_latency(settings, check_sums, "cpu", clock=clock)
    check = lookup.check
    assert check is not None
    assert len(set(check.measured_ms)) > 5
    assert check.predicted_ms == pytest.approx(check.measured_ms, rel=1e-9)
    assert check.absolute_error_ms.value == pytest.approx(0, abs=1e-3)
    assert check.kendall_tau.value == pytest.approx(1)
    # a second is a multiply-add: the counters, which build no network, say the same
    space = get_space(name)
    rows = space.sample(np.random.default_rng(5), 20)
    channels = lookup.conditions.image_channels
    counted = count(
        space, rows, lookup.conditions.classes, settings.image_size or 0, channels, **settings.size
    )
    assert lookup.predict(rows) / 1e3 == pytest.approx(counted.flops)


def test_cells_add_up_over_all_of_them(clock: FakeClock) -> None:
    settings = settings_of("nasbench201", check=0)
    lookup = measure_latency(settings, check_sums, "cpu", clock=clock)
    space = get_space("nasbench201")
    rows = space.sample(np.random.default_rng(5), 50)
    counted = count(space, rows, 10, 8, 3, **settings.size)
    assert lookup.predict(rows) / 1e3 == pytest.approx(counted.flops)
    # none, and what has no convolution: nothing on this clock
    assert [layer.ms[:2] for layer in lookup.layers] == [[0, 0]] * 6


def test_conditions_say_what_was_measured(clock: FakeClock) -> None:
    about = measure_latency(
        settings_of("shufflenet", batch=2, check=0), check_sums, "cpu", clock=clock
    ).conditions
    assert (about.device, about.threads, about.calls, about.batch) == ("cpu", 1, 1, 2)
    assert (about.image_size, about.classes, about.image_channels) == (16, 7, 3)
    assert about.size == {"divisor": 8, "stem_stride": 2, "strided_stages": 4}
    assert about.torch == torch.__version__


@pytest.mark.parametrize(
    ("name", "expected"),
    [("nasbench201", (32, 10)), ("shufflenet", (224, 1000)), ("mobile-small:6", (224, 1000))],
)
def test_the_published_images_are_the_default(
    name: str, expected: tuple[int, int], monkeypatch: pytest.MonkeyPatch, clock: FakeClock
) -> None:
    class Still(Stopwatch):
        def times(self, works: Any, progress: Any = None) -> list[Timing]:
            return [Timing(1.0, 0.0) for _ in works]

    monkeypatch.setattr("benchkit.data.latency.measure.Stopwatch", Still)
    size = {"divisor": 8} if name != "nasbench201" else {"channels": 2, "cells": 1}
    about = measure_latency(
        LatencySettings(name, batch=1, check=0, size=size), check_sums, "cpu", clock=clock
    ).conditions
    assert (about.image_size, about.classes) == expected


def test_parts_get_the_shapes_that_they_get_inside_the_network() -> None:
    network: Any = build_supernet(
        get_space("nasbench-macro"), 10, 3, generator=torch.Generator().manual_seed(0), channels=4, features=8
    )
    parts = parts_of(network, torch.zeros(1, 3, 32, 32))
    assert [part.name for part in parts if part.position is None] == ["stem", "head"]
    shapes = {part.position: part.shape for part in parts if part.position is not None}
    # stages of 2, 3 and 3 layers; the first of each doubles the channels and halves the side
    assert list(shapes.values()) == [
        *[(4, 32, 32), (8, 16, 16)],
        *[(8, 16, 16), (16, 8, 8), (16, 8, 8)],
        *[(16, 8, 8), (32, 4, 4), (32, 4, 4)],
    ]
    assert parts[-1].shape == (32, 4, 4)


def test_equal_modules_on_equal_shapes_are_one_measurement() -> None:
    network: Any = build_supernet(
        get_space("nasbench201"), 10, 3, generator=torch.Generator().manual_seed(0), channels=4, cells=2
    )
    parts = parts_of(network, torch.zeros(1, 3, 8, 8))
    cells = [part for part in parts if part.position is not None]
    assert len(cells) == 6 * 6 * 4  # cells, edges, operations that compute something
    assert len({part.key for part in cells}) == 3 * 4  # stages and operations


@pytest.mark.parametrize("name", ["nasbench101", "nasnet", "branches:m@16"])
def test_networks_without_such_parts_are_refused(name: str) -> None:
    with pytest.raises(InputError, match=f"the network of {name} has no parts whose times add up"):
        measure_latency(LatencySettings(name, image_size=8, batch=1, check=0), check_sums, "cpu")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch": 0}, "batch must be a whole number from 1"),
        ({"repeats": 0}, "repeats must be a whole number from 1"),
        ({"image_size": 0}, "image_size must be"),
        ({"warmup": -1}, "warmup must be a whole number from 0"),
        ({"check": 1}, "at least 2 networks"),
        ({"check": -1}, "check must be a whole number from 0"),
    ],
)
def test_numbers_out_of_range_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        LatencySettings("nasbench201", **changes)


# -- the stopwatch ---------------------------------------------------------------------------------


def test_medians_after_the_warm_up_round_by_round() -> None:
    now = 0.0
    order: list[str] = []
    durations = {"a": iter([100.0, 3.0, 1.0, 2.0]), "b": iter([100.0, 10.0, 20.0, 90.0])}

    def work(name: str) -> None:
        nonlocal now
        order.append(name)
        now += next(durations[name]) / 1e3

    rounds: list[tuple[int, int]] = []
    watch = Stopwatch(1, 3, lambda: None, lambda: now)
    found = watch.times([Work(lambda: work("a")), Work(lambda: work("b"))], lambda *done: rounds.append(done))
    assert order == ["a", "b"] * 4
    assert [timing.ms for timing in found] == pytest.approx([2, 20])
    # quartiles of three values are the means of neighbours: 1.5 and 2.5; 15 and 55
    assert [timing.iqr_ms for timing in found] == pytest.approx([1, 40])
    assert rounds == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_several_calls_share_one_wait() -> None:
    seen: list[str] = []
    watch = Stopwatch(0, 1, lambda: seen.append("wait"), lambda: float(len(seen)))
    (timing,) = watch.times([Work(lambda: seen.append("call"), calls=4)])
    assert seen == ["wait", "call", "call", "call", "call", "wait"]
    assert timing.ms == pytest.approx(5e3 / 4)  # four calls and one wait, a second each on this clock


# -- the check -------------------------------------------------------------------------------------


def test_the_check_against_hand_computations() -> None:
    predicted, measured = np.array([1.0, 2.0, 3.0, 5.0]), np.array([2.0, 4.0, 3.0, 5.0])
    found = check_sums(predicted, measured)
    assert found["kendall_tau"]["value"] == pytest.approx(2 / 3)  # of six pairs, (2, 3) is the wrong way
    assert found["pearson"]["value"] == pytest.approx(stats.pearsonr(predicted, measured).statistic, abs=1e-6)
    assert found["absolute_error_ms"]["value"] == pytest.approx((1 + 2 + 0 + 0) / 4)
    assert found["relative_error_percent"]["value"] == pytest.approx(100 * (1 / 2 + 2 / 4) / 4)
    names = ("kendall_tau", "pearson", "absolute_error_ms", "relative_error_percent")
    for name in names:  # four networks resolve no interval
        assert (found[name]["low"], found[name]["high"]) == (None, None)
    twice = check_sums(np.tile(predicted, 2), np.tile(measured, 2))
    for name in names:
        assert twice[name]["low"] < twice[name]["value"] < twice[name]["high"]


def test_a_correlation_that_is_not_defined_is_none() -> None:
    found = check_sums(np.array([1.0, 1.0]), np.array([1.0, 2.0]))
    assert found["kendall_tau"] == {"value": None, "low": None, "high": None}
