"""Storage, catalogue, import, and reductions."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections import Counter
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchkit.base.errors import InputError
from benchkit.data.images.catalogue import about_image_set, image_set_names, imported_place, open_image_set
from benchkit.data.images.digits import load_digits
from benchkit.data.images.image_set import ImageSet, LabelledImages, Loaded, image_set
from benchkit.data.images.importing import import_images
from benchkit.data.images.published import PUBLISHED, check_published
from benchkit.data.images.reduce import average_pool, resize, stratified
from benchkit.data.images.storage import read_image_set, write_image_set
from tests.data.images import layouts
from tests.data.images.layouts import as_folder, make_loaded


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BENCHKIT_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def made(**changes: Any) -> ImageSet:
    return image_set("made", make_loaded(**changes), "none")


# -- identity and storage ---------------------------------------------------------------------


def test_identity_is_of_the_images_and_their_order() -> None:
    loaded = make_loaded()
    first = image_set("a", loaded, "x")
    assert first.sha256 == image_set("b", loaded, "y").sha256
    turned = LabelledImages(loaded.train.x[::-1], loaded.train.y[::-1])
    other = Loaded(turned, loaded.test, loaded.class_names, "")
    assert image_set("a", other, "x").sha256 != first.sha256


def test_identity_by_hand() -> None:
    x, y = np.arange(12, dtype=np.uint8).reshape(1, 2, 2, 3), np.zeros(1, np.int64)
    images = image_set("a", Loaded(LabelledImages(x, y), LabelledImages(x, y), ("only",), ""), "")
    arrays = b"".join(
        f"x_{part} |u1 (1, 2, 2, 3)\n".encode() + bytes(range(12)) + f"y_{part} |u1 (1,)\n".encode() + b"\0"
        for part in ("train", "test")
    )
    assert images.sha256 == hashlib.sha256(arrays).hexdigest()


def test_a_data_set_is_read_back_and_its_file_is_reproducible(tmp_path: Path) -> None:
    images = made(classes=5)
    for name in ("a.npz", "b.npz"):
        write_image_set(tmp_path / name, images)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    back = read_image_set(tmp_path / "a.npz")
    for field in fields(ImageSet):
        np.testing.assert_array_equal(getattr(back, field.name), getattr(images, field.name))
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.npz", "b.npz"]


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
def test_a_file_cut_short_is_refused(share: float, tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    write_image_set(path, made())
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(InputError, match="damaged or cut short"):
        read_image_set(path)


@pytest.mark.parametrize("at", [500, 40_000, 130_000])
def test_a_flipped_byte_is_found(at: int, tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    write_image_set(path, made())
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match="damaged"):
        read_image_set(path)


def test_images_that_are_not_those_of_the_identity_are_found(tmp_path: Path) -> None:
    """A file that is whole by its own checksums, with one pixel changed."""
    images = made()
    other = images.x_train.copy()
    other[0, 0, 0, 0] ^= 1
    write_image_set(tmp_path / "a.npz", replace(images, x_train=other))
    with pytest.raises(InputError, match="damaged"):
        read_image_set(tmp_path / "a.npz")


def test_foreign_files_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.zeros(3))
    with pytest.raises(InputError, match="not written by benchkit"):
        read_image_set(tmp_path / "a.npz")
    with zipfile.ZipFile(tmp_path / "b.npz", "w") as archive:
        archive.writestr("about.json", json.dumps({"format": "other"}))
    with pytest.raises(InputError, match="not of the format"):
        read_image_set(tmp_path / "b.npz")
    with pytest.raises(InputError, match="cannot read"):
        read_image_set(tmp_path / "c.npz")


@pytest.mark.parametrize(
    ("train", "test", "message"),
    [
        ([0, 1, 2], [0, 5], "a test label is 5, but there are 3 classes"),
        ([0, 1, -1], [0, 1], "a training label is -1"),
        ([0, 0, 1], [0, 1], r"class 2 \(c\) has no training image"),
        ([0, 1], [0, 1], "3 training images, but labels of shape"),
    ],
)
def test_labels_that_do_not_fit_are_refused(train: list[int], test: list[int], message: str) -> None:
    x = np.zeros((5, 2, 2, 1), np.uint8)
    loaded = Loaded(
        LabelledImages(x[:3], np.array(train)), LabelledImages(x[:2], np.array(test)), ("a", "b", "c"), ""
    )
    with pytest.raises(InputError, match=message):
        image_set("made", loaded, "")


# -- catalogue and import ---------------------------------------------------------------------


def test_import_list_open(home: Path, tmp_path: Path) -> None:
    loaded = make_loaded()
    path = as_folder(layouts.cifar10_binary(loaded), tmp_path / "in")
    assert import_images(path, "tiny") == "tiny"
    assert image_set_names() == ["digits", "tiny"]
    images = open_image_set("tiny")
    np.testing.assert_array_equal(images.x_train, loaded.train.x)
    about = about_image_set("tiny")
    assert (about["train"], about["test"], about["size"], about["classes"]) == (40, 20, [32, 32, 3], 10)
    assert about["sha256"] == images.sha256
    assert imported_place("mine") == home / "images" / "mine.npz"
    assert [each.name for each in (home / "images").iterdir()] == ["tiny.npz"]


def test_a_published_name_needs_the_published_images(home: Path, tmp_path: Path) -> None:
    path = as_folder(layouts.cifar10_pickles(make_loaded()), tmp_path / "in")
    with pytest.raises(InputError, match=r"not cifar10: it holds 40 training .* --as"):
        import_images(path)
    assert not (home / "images").exists()
    rng = np.random.default_rng(0)
    fact = PUBLISHED["digits"]
    part = [
        LabelledImages(rng.integers(0, 256, (n, 8, 8, 1), dtype=np.uint8), np.arange(n) % 10)
        for n in (fact.train, fact.test)
    ]
    names = tuple("0123456789")
    with pytest.raises(InputError, match="its counts fit, its images do not"):
        check_published(image_set("digits", Loaded(part[0], part[1], names, ""), ""))


def test_names(home: Path, tmp_path: Path) -> None:
    path = as_folder(layouts.idx_files(make_loaded(size=4, channels=1)), tmp_path / "in")
    with pytest.raises(InputError, match="name it with --as NAME"):
        import_images(path)
    for wrong in ("Tiny", "../x", "", "a b"):
        with pytest.raises(InputError, match=r"lower-case|--as NAME"):
            import_images(path, wrong)
    with pytest.raises(InputError, match="embedded"):
        import_images(path, "digits")
    with pytest.raises(InputError, match="not imported yet"):
        open_image_set("cifar10")
    with pytest.raises(InputError, match="unknown data set 'cifar-x'"):
        open_image_set("cifar-x")
    assert import_images(path, "v1.5") == "v1.5"
    assert image_set_names() == ["digits", "v1.5"]


def test_digits_need_nothing(home: Path) -> None:
    """1,797 images, UCI's test set: 178, 182, 177, 183, 181, 182, 181, 179, 174 and 180 of each digit."""
    images = load_digits()
    both = np.concatenate([images.y_train, images.y_test])
    assert np.bincount(both).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert images.size == (8, 8, 1)
    assert int(images.x_train.max()) == 255
    assert about_image_set("digits")["sha256"] == images.sha256 == open_image_set("digits").sha256
    assert not home.exists()


# -- reductions -------------------------------------------------------------------------------


def test_average_pool_by_hand() -> None:
    """Means 1.5, 0.25, 254.75 and 2.5 are rounded half up."""
    x = np.array([[0, 1, 0, 0], [2, 3, 0, 1], [255, 255, 1, 2], [254, 255, 3, 4]], np.uint8)
    assert average_pool(x[None, :, :, None], 2)[0, :, :, 0].tolist() == [[2, 0], [255, 3]]


@given(st.sampled_from([(4, 2), (6, 3), (6, 1), (5, 5), (8, 2)]), st.integers(0, 1000))
def test_average_pool_block_by_block(sides: tuple[int, int], seed: int) -> None:
    side, size = sides
    x = np.random.default_rng(seed).integers(0, 256, (3, side, side, 3), dtype=np.uint8)
    pooled, block = average_pool(x, size), side // size
    for i in range(size):
        for j in range(size):
            part = x[:, i * block : (i + 1) * block, j * block : (j + 1) * block]
            want = np.floor(part.mean(axis=(1, 2), dtype=float) + 0.5)
            np.testing.assert_array_equal(pooled[:, i, j], want)


def test_sizes_that_cannot_be_had() -> None:
    with pytest.raises(
        InputError, match="image size 20 does not divide 32; it can be one of 32, 16, 8, 4, 2, 1"
    ):
        resize(made(), 20)
    with pytest.raises(InputError, match="cannot be pooled"):
        average_pool(np.zeros((1, 2, 4, 3), np.uint8), 2)


@given(st.lists(st.integers(0, 4), min_size=5, max_size=80), st.data())
def test_a_limit_keeps_the_shares_of_the_classes(labels: list[int], data: st.DataObject) -> None:
    y = np.array(labels)
    classes = len(set(labels))
    n = data.draw(st.integers(classes, len(y)))
    kept = stratified(y, n, 0)
    assert len(kept) == n
    assert len(set(kept.tolist())) == n
    assert kept.tolist() == sorted(kept.tolist())
    counts, whole = Counter(y[kept].tolist()), Counter(labels)
    for label in whole:
        assert counts[label] >= 1
        if all(n * each >= len(y) for each in whole.values()):  # no class had to be saved from vanishing
            assert abs(counts[label] - n * whole[label] / len(y)) < 1


def test_a_limit_is_seeded_and_may_be_too_small_or_too_large() -> None:
    y = np.arange(1000) % 10
    assert Counter(y[stratified(y, 100, 1)].tolist()) == dict.fromkeys(range(10), 10)
    assert stratified(y, 100, 1).tolist() == stratified(y, 100, 1).tolist()
    assert stratified(y, 100, 1).tolist() != stratified(y, 100, 2).tolist()
    with pytest.raises(InputError, match="limit 1,001 is more than the 1,000 training images"):
        stratified(y, 1001, 0)
    with pytest.raises(InputError, match="less than one image for each of the 10 classes"):
        stratified(y, 9, 0)


def test_reductions_are_part_of_the_identity(home: Path, tmp_path: Path) -> None:
    import_images(as_folder(layouts.cifar10_binary(make_loaded()), tmp_path / "in"), "tiny")
    small = open_image_set("tiny", image_size=16, limit=20, limit_seed=3)
    assert small.identity() == {
        "name": "tiny",
        "sha256": open_image_set("tiny").sha256,
        "limit": 20,
        "limit_seed": 3,
        "image_size": 16,
    }
    assert small.x_train.shape == (20, 16, 16, 3)
    assert small.x_test.shape == (20, 16, 16, 3)  # all of them, smaller
    whole = open_image_set("tiny")
    np.testing.assert_array_equal(small.x_train, average_pool(whole.x_train[small.train_index], 16))
