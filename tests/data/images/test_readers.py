"""Readers of image data, on tiny files in the official layouts (made by the tests), and on damaged ones."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from benchkit.base.errors import InputError
from benchkit.data.images.image_set import LabelledImages, Loaded
from benchkit.data.images.readers import read_images
from benchkit.data.images.readers.idx import read_idx
from benchkit.data.images.readers.pickled_batch import pickled_dictionary
from tests.data.images import layouts
from tests.data.images.layouts import Files, as_archive, as_folder, make_loaded

CIFAR10 = make_loaded()
CIFAR100 = make_loaded(n=100, classes=100)
GREY = make_loaded(size=7, channels=1)
LAYOUTS: dict[str, tuple[str, Callable[[Loaded], Files], Loaded]] = {
    "cifar10 python": ("cifar10", layouts.cifar10_pickles, CIFAR10),
    "cifar100 python": ("cifar100", layouts.cifar100_pickles, CIFAR100),
    "cifar10 binary": ("cifar10", layouts.cifar10_binary, CIFAR10),
    "cifar100 binary": ("cifar100", layouts.cifar100_binary, CIFAR100),
    "idx": ("", layouts.idx_files, GREY),
    "idx.gz": ("", lambda loaded: layouts.idx_files(loaded, compressed=True), GREY),
    "png strips": ("cifar10", layouts.png_strips, CIFAR10),
}
each_layout = pytest.mark.parametrize("layout", LAYOUTS)


@each_layout
@pytest.mark.parametrize("kind", ["folder", "folder in a folder", "archive"])
def test_every_layout_gives_the_same_images(layout: str, kind: str, tmp_path: Path) -> None:
    usual, write, loaded = LAYOUTS[layout]
    files = write(loaded)
    if kind == "archive":
        path = as_archive(files, tmp_path / "x.tar.gz", "some/where")
    else:
        path = as_folder(files, tmp_path / ("x" if kind == "folder" else "x/inner"))
        path = tmp_path / "x"
    found = read_images(path)
    assert found is not None
    name, got = found
    assert name == usual
    for part, want in ((got.train, loaded.train), (got.test, loaded.test)):
        assert part.x.dtype == np.uint8
        np.testing.assert_array_equal(part.x, want.x)
        np.testing.assert_array_equal(part.y, want.y)
    assert len(got.class_names) == len(loaded.class_names)
    if usual == "cifar100":
        assert got.class_names == loaded.class_names  # from the archive's own list


@each_layout
def test_a_missing_file_is_named(layout: str, tmp_path: Path) -> None:
    _, write, loaded = LAYOUTS[layout]
    files = write(loaded)
    gone = sorted(files)[-1] if layout != "cifar100 python" else "test"
    del files[gone]
    with pytest.raises(InputError, match=gone.removesuffix(".gz")):
        read_images(as_folder(files, tmp_path / "x"))


@each_layout
def test_every_file_cut_short_is_found(layout: str, tmp_path: Path) -> None:
    _, write, loaded = LAYOUTS[layout]
    files = write(loaded)
    for number, name in enumerate(files):
        if name == "fine_label_names.txt":
            continue  # a text without an end of its own
        # the last bytes of a PNG are no pixels
        lost = len(files[name]) // 10 if name.endswith(".png") else 7
        cut = {**files, name: files[name][:-lost]}
        with pytest.raises(InputError) as error:
            read_images(as_folder(cut, tmp_path / str(number)))
        assert name in str(error.value)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.999])
def test_an_archive_cut_short_is_found(share: float, tmp_path: Path) -> None:
    path = as_archive(layouts.cifar10_pickles(CIFAR10), tmp_path / "x.tar.gz")
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(InputError, match="truncated"):
        read_images(path)


@pytest.mark.parametrize("at", [0.2, 0.5, 0.8])
def test_a_flipped_byte_in_an_archive_is_found(at: float, tmp_path: Path) -> None:
    """Pixels are not checked by their formats; the checksum at the end of the compressed file is."""
    path = as_archive(layouts.cifar10_binary(CIFAR10), tmp_path / "x.tar.gz")
    content = bytearray(path.read_bytes())
    content[int(len(content) * at)] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match="truncated or damaged"):
        read_images(path)


def test_imagenet16_keeps_labels_1_to_120(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    labels = [1, 120, 121, 1000, 7]
    batches = [
        LabelledImages(rng.integers(0, 256, (5, 16, 16, 3), dtype=np.uint8), np.array(labels))
        for _ in range(11)
    ]
    found = read_images(as_folder(layouts.imagenet16_pickles(batches), tmp_path / "x"))
    assert found is not None
    name, loaded = found
    assert name == "imagenet16-120"
    assert len(loaded.class_names) == 120
    assert loaded.train.y.tolist() == [0, 119, 6] * 10
    assert loaded.test.y.tolist() == [0, 119, 6]
    np.testing.assert_array_equal(loaded.test.x, batches[10].x[[0, 1, 4]])
    np.testing.assert_array_equal(loaded.train.x[3:6], batches[1].x[[0, 1, 4]])


def test_imagenet16_refuses_labels_from_zero(tmp_path: Path) -> None:
    part = LabelledImages(np.zeros((2, 16, 16, 3), np.uint8), np.array([0, 3]))
    with pytest.raises(InputError, match=r"outside 1\.\.1000"):
        read_images(as_folder(layouts.imagenet16_pickles([part] * 11), tmp_path / "x"))


class _Evil:
    def __reduce__(self) -> tuple[object, ...]:
        return (Path.mkdir, (Path("evil-was-here"),))


def test_a_hostile_pickle_runs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    files = layouts.cifar10_pickles(CIFAR10)
    files["data_batch_3"] = pickle.dumps({"data": _Evil(), "labels": []})
    with pytest.raises(InputError, match=r"data_batch_3 .*refused"):
        read_images(as_folder(files, tmp_path / "x"))
    assert not (tmp_path / "evil-was-here").exists()


@pytest.mark.parametrize("protocol", range(2, 5))
def test_pickles_of_python_3_are_read_too(protocol: int) -> None:
    """As people write the files anew; protocol 2 keeps an array's bytes as text."""
    data = np.arange(24, dtype=np.uint8).reshape(2, 12)
    content = pickle.dumps({b"data": data, "labels": [1, 2]}, protocol=protocol)
    found = pickled_dictionary(content, "x")
    np.testing.assert_array_equal(found["data"], data)
    assert found["labels"] == [1, 2]


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        ({"data": np.zeros((3, 3072), np.uint8)}, "has no 'labels'"),
        ({"data": np.zeros((3, 768), np.uint8), "labels": [0, 1, 2]}, "not 32 x 32 images"),
        ({"data": np.zeros((3, 3072), np.uint8), "labels": [0, 1]}, "holds 3 images"),
        ({"data": np.zeros((3, 3072), np.uint8), "labels": ["a", "b", "c"]}, "'labels'"),
        ([1, 2], "holds a list, not a dictionary"),
    ],
)
def test_a_batch_of_another_shape_is_refused(batch: object, message: str, tmp_path: Path) -> None:
    files = {**layouts.cifar10_pickles(CIFAR10), "data_batch_2": pickle.dumps(batch)}
    with pytest.raises(InputError, match=message):
        read_images(as_folder(files, tmp_path / "x"))


@pytest.mark.parametrize(
    ("labels", "content"), [("[1, 2", "not JSON"), ('{"a": 1}', "not a list"), ("[1, 2]", "2 labels for 40")]
)
def test_labels_of_strips_are_checked(labels: str, content: str, tmp_path: Path) -> None:
    files = {**layouts.png_strips(CIFAR10), "train_lables.json": labels.encode()}
    with pytest.raises(InputError, match=content):
        read_images(as_folder(files, tmp_path / "x"))


def test_pictures_that_are_no_strips_are_refused(tmp_path: Path) -> None:
    files = layouts.png_strips(CIFAR10)
    files["data_batch_1.png"] = layouts.png(np.zeros((5, 32, 3), np.uint8))
    with pytest.raises(InputError, match="32 pixels wide"):
        read_images(as_folder(files, tmp_path / "x"))


def test_idx_header_by_hand() -> None:
    content = bytes([0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6])
    assert read_idx(content, "x").tolist() == [[1, 2, 3], [4, 5, 6]]
    for wrong in (content[:-1], content + b"0", content[:7]):
        with pytest.raises(InputError, match="truncated"):
            read_idx(wrong, "x")
    for foreign in (b"", b"\x89PNG....", bytes([0, 0, 13, 1, 0, 0, 0, 0])):
        with pytest.raises(InputError, match="not an IDX file"):
            read_idx(foreign, "x")


def test_wrong_sources(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no file or folder"):
        read_images(tmp_path / "nothing")
    (tmp_path / "text").write_text("hello")
    with pytest.raises(InputError, match="neither a folder nor a tar archive"):
        read_images(tmp_path / "text")
    with pytest.raises(InputError, match="none of the forms"):
        read_images(as_archive({"README": b"hello"}, tmp_path / "x.tar.gz"))
    (tmp_path / "empty").mkdir()
    assert read_images(tmp_path / "empty") is None


@pytest.mark.parametrize(("first", "name"), [([5, 0, 4, 1, 9, 2, 1, 3, 1, 4], "mnist"), ([1] * 10, "")])
def test_mnist_is_known_by_its_first_labels(first: list[int], name: str, tmp_path: Path) -> None:
    """The first ten training labels of MNIST are 5 0 4 1 9 2 1 3 1 4."""
    loaded = make_loaded(size=7, channels=1)
    labels = np.array([*first, *loaded.train.y[10:]])
    changed = Loaded(LabelledImages(loaded.train.x, labels), loaded.test, loaded.class_names, "")
    found = read_images(as_folder(layouts.idx_files(changed), tmp_path / "x"))
    assert found is not None
    assert found[0] == name
