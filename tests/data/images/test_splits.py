"""How data sets are divided, and what a search may see."""

from __future__ import annotations

import gzip
from dataclasses import fields, is_dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import benchkit
from benchkit.base.errors import InputError
from benchkit.data.images import halves
from benchkit.data.images.halves import HALVES, in_first_half
from benchkit.data.images.image_set import ImageSet, LabelledImages, Loaded, image_set
from benchkit.data.images.published import CIFAR10_SHA256
from benchkit.data.images.reduce import limit_training
from benchkit.data.images.splits import (
    NASBench201Split,
    SeededSplit,
    divide,
    normalisation,
    parse_split,
    split,
)
from tests.data.images.layouts import make_loaded
from tools.embedded_halves import INPUTS, build_halves

BESIDE = Path(benchkit.__file__).resolve().parents[2] / "shared" / "data"


def made() -> ImageSet:
    """40 training and 20 test images, all different."""
    return image_set("made", make_loaded(), "none")


@given(st.integers(2, 200), st.data(), st.integers(0, 100))
def test_a_split_divides(n: int, data: st.DataObject, seed: int) -> None:
    valid = data.draw(st.integers(1, n - 1))
    first, second = split(n, valid, seed)
    assert len(second) == valid
    assert sorted([*first, *second]) == list(range(n))
    again = split(n, valid, seed)
    assert all(np.array_equal(a, b) for a, b in zip((first, second), again, strict=True))


def test_a_split_larger_than_the_data_is_an_error() -> None:
    with pytest.raises(
        InputError, match="split of 60,000 validation images is larger than the data: of 50,000"
    ):
        split(50_000, 60_000, 0)
    with pytest.raises(InputError, match="larger than the data"):
        divide(made(), SeededSplit(40))
    with pytest.raises(InputError, match="at least one"):
        split(10, 0, 0)


def test_splits_as_users_write_them() -> None:
    assert parse_split("nasbench201") == NASBench201Split()
    assert parse_split("10000", 4) == SeededSplit(10_000, 4)
    for wrong in ("half", "-5", "0", "1.5", "²"):
        with pytest.raises(InputError, match="neither nasbench201 nor a number"):
            parse_split(wrong)


def test_halves_are_the_benchmarks_own() -> None:
    """They begin train, valid, valid, valid (CIFAR-10) and xtest, xvalid, xtest, xvalid (CIFAR-100)."""
    assert in_first_half("cifar10")[:4].tolist() == [True, False, False, False]
    assert in_first_half("cifar100")[:4].tolist() == [False, True, False, True]
    for dataset, half in HALVES.items():
        bits = in_first_half(dataset)
        assert len(bits) == half.images
        assert bits.sum() == half.images // 2


@pytest.mark.skipif(not BESIDE.is_dir(), reason="the extracts do not lie beside the checkout")
def test_embedded_halves_are_made_of_the_extracts(tmp_path: Path) -> None:
    for path in build_halves(BESIDE, tmp_path):
        embedded = Path(halves.__file__).parent / path.name
        assert path.read_bytes() == embedded.read_bytes()
    for dataset, half in HALVES.items():
        lines = gzip.decompress((BESIDE / half.file).read_bytes()).decode().splitlines()[1:]
        names = [line.split(",")[1] == half.first for line in lines]
        assert in_first_half(dataset).tolist() == names
    assert set(INPUTS) == {half.file for half in HALVES.values()}


def test_other_halves_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no input file"):
        build_halves(tmp_path, tmp_path)
    (tmp_path / "nasbench201_split_cifar10.csv.gz").write_bytes(gzip.compress(b"image_index,half\n"))
    with pytest.raises(InputError, match="has SHA-256"):
        build_halves(tmp_path, tmp_path)


def blank(name: str, train: int, test: int, classes: int, sha256: str) -> ImageSet:
    """As large as a published data set, with images of one pixel."""
    names = tuple(map(str, range(classes)))
    x = np.zeros((train + test, 1, 1, 1), np.uint8)
    y = np.arange(train + test) % classes
    loaded = Loaded(LabelledImages(x[:train], y[:train]), LabelledImages(x[train:], y[train:]), names, "")
    return replace(image_set(name, loaded, ""), sha256=sha256)


def test_cifar10_halves_train_and_validate_on_training_images() -> None:
    images = blank("c", 50_000, 10_000, 10, CIFAR10_SHA256)
    search, test = divide(images, NASBench201Split())
    first = in_first_half("cifar10")
    np.testing.assert_array_equal(search.train.y, images.y_train[first])
    np.testing.assert_array_equal(search.valid.y, images.y_train[~first])
    assert (len(search.train), len(search.valid), len(test)) == (25_000, 25_000, 10_000)
    assert search.identity["split"] == "nasbench201"
    limited = limit_training(images, 1000)
    search, _ = divide(limited, NASBench201Split())
    np.testing.assert_array_equal(search.train.y, limited.y_train[first[limited.train_index]])
    assert len(search.train) + len(search.valid) == 1000


def test_cifar100_halves_validate_on_half_of_the_test_images() -> None:
    images = blank("cifar100", 50_000, 10_000, 100, "")
    search, test = divide(images, NASBench201Split())
    assert (len(search.train), len(search.valid), len(test)) == (50_000, 5_000, 5_000)
    first = in_first_half("cifar100")
    np.testing.assert_array_equal(search.valid.y, images.y_test[first])
    np.testing.assert_array_equal(test.y, images.y_test[~first])


def test_other_data_sets_have_no_halves() -> None:
    with pytest.raises(InputError, match="known for cifar10 and cifar100, not for made"):
        divide(made(), NASBench201Split())


def arrays_within(value: object, seen: set[int]) -> list[np.ndarray]:
    """Every array that can be reached from `value` by attributes, items and the arrays' own bases."""
    if id(value) in seen:
        return []
    seen.add(id(value))
    if isinstance(value, np.ndarray):
        return [value, *arrays_within(value.base, seen)]
    if isinstance(value, dict):
        return [each for item in value.values() for each in arrays_within(item, seen)]
    if isinstance(value, list | tuple):
        return [each for item in value for each in arrays_within(item, seen)]
    if is_dataclass(value):
        slots = [getattr(value, field.name) for field in fields(value)]
        return arrays_within([*slots, getattr(value, "__dict__", {})], seen)
    return []


@pytest.mark.parametrize("how", ["seeded", "cifar100"])
def test_a_search_never_sees_the_test_images(how: str) -> None:
    if how == "seeded":
        images = made()  # all images differ
        search, test = divide(images, SeededSplit(10))
    else:
        images = blank("cifar100", 50_000, 10_000, 100, "")
        search, test = divide(images, NASBench201Split())
    assert not [name for name in dir(search) if "test" in name.lower()]
    reachable = arrays_within(search, set())
    assert len(reachable) >= 4
    assert not any(np.shares_memory(array, test.x) for array in reachable)
    assert not any(np.shares_memory(array, images.x_test) for array in reachable)
    if how == "seeded":
        hidden = {image.tobytes() for image in test.x}
        assert not [
            1 for array in reachable if array.ndim == 4 for image in array if image.tobytes() in hidden
        ]


def test_normalisation_is_that_of_numpy() -> None:
    images = made()
    search, _ = divide(images, SeededSplit(10))
    scaled = search.train.x / 255
    np.testing.assert_allclose(search.normalisation.mean, scaled.mean(axis=(0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(search.normalisation.std, scaled.std(axis=(0, 1, 2)), rtol=1e-12)
    black = LabelledImages(np.zeros((2, 2, 2, 1), np.uint8), np.zeros(2))
    assert normalisation(black) == ((0.0,), (1.0,))
