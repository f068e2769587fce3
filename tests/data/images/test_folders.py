"""Folders of images: stored as arrays, or streamed from disk by workers (generated pictures)."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from benchkit.base.errors import InputError
from benchkit.data.images.catalogue import about_image_set, open_image_set, open_streamed
from benchkit.data.images.folder import list_folder, read_folder, squared
from benchkit.data.images.importing import import_images
from benchkit.data.images.stream_loader import IMAGENET_NORMALISATION, StreamBatches, middle_box, random_box
from tests.data.images.layouts import picture_folder, png

TWENTY = [(24 + number % 5, 30 - number % 3) for number in range(40)]  # twenty to train on, twenty to test


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BENCHKIT_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def loader(path: Path, seed: int = 0, workers: int = 0, batch_size: int = 6) -> StreamBatches:
    files = list_folder(path).train
    return StreamBatches(files, 16, batch_size, torch.Generator().manual_seed(seed), workers)


# -- stored -----------------------------------------------------------------------------------


def test_pictures_of_one_size_become_arrays(tmp_path: Path) -> None:
    path = picture_folder(tmp_path / "in", [(12, 12)] * 8)
    (path / "train" / "class0" / "notes.txt").write_text("no picture")
    (path / "train" / ".hidden").mkdir()
    assert import_images(path, "eight") == "eight"
    images = open_image_set("eight")
    assert images.class_names == ("class0", "class1")
    assert images.y_train.tolist() == [0, 0, 1, 1]
    listing = list_folder(path)
    for x, file in zip(images.x_train, listing.train.files, strict=True):
        np.testing.assert_array_equal(x, np.array(Image.open(path / file)))


def test_pictures_are_squared_by_area(tmp_path: Path) -> None:
    """Of 4 x 8 pixels the middle 4 x 4, averaged in blocks of 2 x 2."""
    pixels = np.random.default_rng(0).integers(0, 256, (4, 8, 3), dtype=np.uint8)
    want = pixels[:, 2:6].reshape(2, 2, 2, 2, 3).mean(axis=(1, 3))
    assert np.abs(squared(png(pixels), 2, "x") - want).max() <= 1  # Pillow rounds twice
    with pytest.raises(InputError, match="4 x 8 pixels, too small for --image-size 5"):
        squared(png(pixels), 5, "x")


def test_pictures_that_differ_in_size(tmp_path: Path) -> None:
    path = picture_folder(tmp_path / "in", TWENTY)
    with pytest.raises(InputError, match=r"differ in size.*--image-size N.*--stream"):
        import_images(path, "twenty")
    import_images(path, "twenty", image_size=8)
    assert open_image_set("twenty").x_train.shape == (20, 8, 8, 3)


def test_grey_pictures(tmp_path: Path) -> None:
    path = tmp_path / "in"
    for part in ("train", "test"):
        (path / part / "a").mkdir(parents=True)
        (path / part / "a" / "1.png").write_bytes(png(np.full((4, 4), 7, np.uint8)))
    assert read_folder(list_folder(path)).train.x.tolist() == [[[[7]] * 4] * 4]
    (path / "test" / "a" / "2.png").write_bytes(png(np.full((4, 4, 3), 9, np.uint8)))
    both = read_folder(list_folder(path))
    assert both.train.x.shape[3] == both.test.x.shape[3] == 3
    assert (both.train.x == 7).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("nothing", "no images found"),
        ("only train", "no images found"),
        ("both", "both test/ and val/"),
        ("other classes", "class1 is in only one of them"),
        ("empty class", "class class9 has no image"),
        ("no test images", "no images found in"),
        ("not a picture", "truncated, or not a picture"),
        ("deep pixels", "mode I(;16)?, not of 8 bits"),
    ],
)
def test_folders_that_will_not_do(change: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "in"
    path.mkdir()
    if change != "nothing":
        picture_folder(path, [(8, 8)] * 8)
    broken = path / "train" / "class0" / "000.png"
    match change:
        case "only train":
            (path / "val").rename(path / "other")
        case "both":
            picture_folder(path, [(8, 8)] * 8, test="test")
        case "other classes":
            (path / "val" / "class1").rename(path / "val" / "class9")
        case "empty class":
            (path / "train" / "class9").mkdir()
            (path / "val" / "class9").mkdir()
        case "no test images":
            for file in (path / "val").rglob("*.png"):
                file.unlink()
        case "not a picture":
            broken.write_bytes(broken.read_bytes()[:60])
        case "deep pixels":
            Image.fromarray(np.full((8, 8), 40_000, np.uint16)).save(broken)
    with pytest.raises(InputError, match=message):
        import_images(path, "x")


# -- streamed ---------------------------------------------------------------------------------


def test_what_is_past_the_stated_size_is_streamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = picture_folder(tmp_path / "in", TWENTY)
    monkeypatch.setattr("benchkit.data.images.importing.STREAM_BYTES", 40 * 24 * 27 * 3)
    import_images(path, "twenty")
    assert about_image_set("twenty")["kind"] == "streamed"
    streamed = open_streamed("twenty")
    assert (len(streamed.train), len(streamed.test)) == (20, 20)
    with pytest.raises(InputError, match="streamed from disk"):
        open_image_set("twenty")
    import_images(path, "twenty", image_size=8)  # now it is small, and replaces the other
    assert about_image_set("twenty")["kind"] == "imported"


def test_a_folder_that_changed_is_noticed(tmp_path: Path) -> None:
    path = picture_folder(tmp_path / "in", TWENTY)
    import_images(path, "twenty", stream=True)
    first = open_streamed("twenty").sha256
    (path / "train" / "class0" / "000.png").write_bytes(png(np.zeros((3, 3, 3), np.uint8)))
    with pytest.raises(InputError, match="have changed since"):
        open_streamed("twenty")
    import_images(path, "twenty", stream=True)
    assert open_streamed("twenty").sha256 != first
    path.rename(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="no longer at"):
        open_streamed("twenty")


def test_a_search_is_handed_no_test_picture(tmp_path: Path) -> None:
    import_images(picture_folder(tmp_path / "in", TWENTY), "twenty", stream=True)
    search, test = open_streamed("twenty").limited(15, seed=2).divide(5, seed=1)
    assert not [name for name in dir(search) if "test" in name]
    assert (len(search.train), len(search.valid), len(test)) == (10, 5, 20)
    seen = {*search.train.files, *search.valid.files}
    assert len(seen) == 15
    assert all(file.startswith("train/") for file in seen)
    assert search.identity["limit"] == 15
    assert (search.identity["split"], search.identity["streamed"]) == ("seeded", True)
    with pytest.raises(InputError, match="larger than the data"):
        open_streamed("twenty").divide(20)


@given(st.integers(1, 300), st.integers(1, 300), st.integers(0, 10_000))
def test_crops_stay_inside_and_keep_their_law(width: int, height: int, seed: int) -> None:
    left, top, right, bottom = random_box(np.random.default_rng(seed), width, height)
    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height
    if min(width, height) >= 60 and 3 / 4 <= width / height <= 4 / 3:
        area, ratio = (right - left) * (bottom - top), (right - left) / (bottom - top)
        assert 0.07 < area / (width * height) <= 1  # a side is rounded to a pixel
        assert 3 / 4 * 0.95 < ratio < 4 / 3 * 1.05


def test_the_mean_share_of_a_crop() -> None:
    """Uniform on 0.08..1 would have mean 0.54; crops that do not fit are drawn again, so a little less."""
    rng = np.random.default_rng(0)
    boxes = [random_box(rng, 100, 100) for _ in range(4000)]
    share = np.array([(r - left) * (b - t) for left, t, r, b in boxes]) / 1e4
    logs = np.array([math.log((r - left) / (b - t)) for left, t, r, b in boxes])
    assert 0.45 < share.mean() < 0.54
    assert abs(logs.mean()) < 4 * math.log(4 / 3) / math.sqrt(3 * 4000)


def test_a_strip_falls_back_to_its_middle() -> None:
    """No crop of an allowed ratio has 8 % of the area of a 1000 x 10 strip: the middle 13 x 10 is taken."""
    assert random_box(np.random.default_rng(0), 1000, 10) == (493, 0, 506, 10)
    assert middle_box(256, 512) == (16, 144, 240, 368)


def test_workers_change_nothing(tmp_path: Path) -> None:
    path = picture_folder(tmp_path / "in", TWENTY)
    before = torch.get_rng_state()
    alone, helped = loader(path), loader(path, workers=2)
    for _ in range(2):
        for (a, b), (c, d) in zip(alone.epoch(), helped.epoch(), strict=True):
            assert a.shape == (6, 3, 16, 16)
            assert a.is_contiguous(memory_format=torch.channels_last)
            assert torch.equal(a, c)
            assert torch.equal(b, d)
    assert torch.equal(before, torch.get_rng_state())


def test_epochs_differ_and_hold_each_picture_once(tmp_path: Path) -> None:
    path = picture_folder(tmp_path / "in", TWENTY)
    batches = loader(path, batch_size=20)
    (first, y), (second, z) = next(batches.epoch()), next(batches.epoch())
    assert sorted(y.tolist()) == sorted(z.tolist()) == [0] * 10 + [1] * 10
    assert not torch.equal(first, second)
    other = next(loader(path, seed=1, batch_size=20).epoch())[0]
    assert not torch.equal(first, other)


@pytest.mark.parametrize("done", range(5))
def test_an_interrupted_epoch_goes_on(done: int, tmp_path: Path) -> None:
    path = picture_folder(tmp_path / "in", TWENTY)
    whole, interrupted, resumed = loader(path), loader(path), loader(path, seed=7)
    want = [x for _ in range(3) for x, _ in whole.epoch()][done:]
    for _ in range(done // 3):
        list(interrupted.epoch())
    rest = interrupted.epoch()
    for _ in range(done % 3):
        next(rest)
    resumed.load_state_dict(interrupted.state_dict())
    got: list[torch.Tensor] = []
    while len(got) < len(want):
        got += [x for x, _ in resumed.epoch()]
    assert all(torch.equal(a, b) for a, b in zip(got, want, strict=True))


def test_half_of_the_crops_are_mirrored(tmp_path: Path) -> None:
    """A picture dark on the left and bright on the right: what is bright on the left was mirrored."""
    ramp = np.repeat(np.arange(0, 256, 4, dtype=np.uint8)[None, :, None], 64, axis=0).repeat(3, axis=2)
    for number in range(200):
        for part in ("train", "test"):
            (tmp_path / "in" / part / "a").mkdir(parents=True, exist_ok=True)
            (tmp_path / "in" / part / "a" / f"{number}.png").write_bytes(png(ramp))
    x, _ = next(loader(tmp_path / "in", batch_size=200).epoch())
    mirrored = (x[..., 0] > x[..., -1]).float().mean().item()
    assert abs(mirrored - 0.5) < 4 * 0.5 / math.sqrt(200 * 3 * 16 / 48)


def test_evaluation_looks_at_the_middle(tmp_path: Path) -> None:
    """Of 32 x 32 the middle 28 x 28, halved: a constant picture stays constant, and is normalised."""
    for part in ("train", "test"):
        for label in ("a", "b"):
            (tmp_path / "in" / part / label).mkdir(parents=True)
            pixels = np.full((32, 32, 3), 200 if label == "a" else 50, np.uint8)
            pixels[:2] = pixels[-2:] = 0  # outside of the middle
            (tmp_path / "in" / part / label / "x.png").write_bytes(png(pixels))
    files = list_folder(tmp_path / "in").test
    batches = list(StreamBatches(files, 14, 1, torch.Generator()).evaluation())
    assert [y.tolist() for _, y in batches] == [[0], [1]]
    mean, std = (np.array(each)[:, None, None] for each in IMAGENET_NORMALISATION)
    for (x, _), level in zip(batches, (200, 50), strict=True):
        inner = x[0, :, 1:-1].numpy()
        np.testing.assert_allclose(inner, np.broadcast_to((level / 255 - mean) / std, inner.shape), atol=1e-5)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_broken_picture_is_one_line(workers: int, tmp_path: Path) -> None:
    path = picture_folder(tmp_path / "in", TWENTY)
    broken = path / "train" / "class1" / "001.png"
    broken.write_bytes(broken.read_bytes()[:80])
    with pytest.raises(InputError) as error:
        list(loader(path, workers=workers, batch_size=20).epoch())
    assert str(error.value) == f"{broken} is truncated, or not a picture"


def test_impossible_batches_are_refused(tmp_path: Path) -> None:
    files = list_folder(picture_folder(tmp_path / "in", TWENTY)).train
    with pytest.raises(InputError, match=r"batch size 21 must be in 1\.\.20"):
        StreamBatches(files, 16, 21, torch.Generator())
    with pytest.raises(InputError, match="does not divide"):
        StreamBatches(files, 16, 5, torch.Generator(), shard=(0, 2))


def test_processes_share_out_each_batch(tmp_path: Path) -> None:
    path = picture_folder(tmp_path / "in", TWENTY)
    files = list_folder(path).train
    whole = next(loader(path).epoch())[0]
    parts = [
        next(StreamBatches(files, 16, 6, torch.Generator().manual_seed(0), shard=(rank, 2)).epoch())[0]
        for rank in range(2)
    ]
    assert torch.equal(parts[0], whole[::2])
    assert torch.equal(parts[1], whole[1::2])
