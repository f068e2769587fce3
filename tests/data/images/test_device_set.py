"""Batches made on the device, against an implementation that handles one image at a time."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from benchkit.base.errors import InputError
from benchkit.data.images.augment import (
    NO_AUGMENTATION,
    Augmentation,
    crop_and_flip,
    cutout_mask,
    draw_plan,
)
from benchkit.data.images.device_set import DeviceImages, TrainingBatches
from benchkit.data.images.image_set import LabelledImages
from benchkit.data.images.splits import Normalisation, normalisation

gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
DEVICES = ["cpu", pytest.param("cuda", marks=[pytest.mark.gpu, gpu])]


def random_images(n: int = 30, height: int = 8, width: int = 8, channels: int = 3) -> LabelledImages:
    rng = np.random.default_rng(n)
    x = rng.integers(0, 256, (n, height, width, channels), dtype=np.uint8)
    return LabelledImages(x, np.arange(n).astype(np.uint8))  # a label tells which image it is


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def augmented_plainly(image: np.ndarray, shift: tuple[int, int], flip: bool, padding: int) -> np.ndarray:
    """One image: paste it onto black, cut out the window, mirror it."""
    height, width, channels = image.shape
    canvas = np.zeros((height + 2 * padding, width + 2 * padding, channels), np.uint8)
    canvas[padding : padding + height, padding : padding + width] = image
    window = canvas[shift[0] : shift[0] + height, shift[1] : shift[1] + width]
    return window[:, ::-1] if flip else window


@settings(max_examples=30)
@given(
    padding=st.integers(0, 5),
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    channels=st.sampled_from([1, 3]),
    seed=st.integers(0, 1000),
)
def test_crop_and_flip_image_by_image(
    padding: int, height: int, width: int, channels: int, seed: int
) -> None:
    images = random_images(6, height, width, channels)
    plan = draw_plan(6, (height, width), Augmentation(padding), seeded(seed))
    got = crop_and_flip(torch.tensor(images.x), plan.shift, plan.flip, padding)
    for index in range(6):
        row, column = plan.shift[index].tolist()
        want = augmented_plainly(images.x[index], (row, column), bool(plan.flip[index]), padding)
        np.testing.assert_array_equal(got[index].numpy(), want)


@given(
    length=st.integers(1, 12), height=st.integers(1, 9), width=st.integers(1, 9), seed=st.integers(0, 1000)
)
def test_cutout_pixel_by_pixel(length: int, height: int, width: int, seed: int) -> None:
    centre = draw_plan(5, (height, width), Augmentation(), seeded(seed)).centre
    mask = cutout_mask(centre, length, (height, width))
    for index, (row, column) in enumerate(centre.tolist()):
        top, left = row - length // 2, column - length // 2
        for i in range(height):
            for j in range(width):
                want = top <= i < top + length and left <= j < left + length
                assert bool(mask[index, i, j]) == want


def test_the_law_of_a_plan() -> None:
    """9 x 9 crops, each as often as any other; half of the images mirrored; centres all over the image."""
    n = 81 * 400
    plan = draw_plan(n, (8, 8), Augmentation(padding=4), seeded())
    assert sorted(plan.order.tolist()) == list(range(n))
    assert plan.order.tolist() != list(range(n))
    cells = torch.bincount(plan.shift[:, 0] * 9 + plan.shift[:, 1], minlength=81)
    assert len(cells) == 81
    assert float(((cells - 400.0) ** 2 / 400).sum()) < 131  # chi-square, 80 degrees of freedom: p = 0.0003
    share = plan.flip.double().mean().item()
    assert abs(share - 0.5) < 4 * 0.5 / n**0.5
    centres = torch.bincount(plan.centre[:, 0] * 8 + plan.centre[:, 1], minlength=64)
    assert len(centres) == 64
    assert float(((centres - n / 64) ** 2 / (n / 64)).sum()) < 110  # 63 degrees of freedom: p = 0.0003


def test_mean_cutout_area_by_hand() -> None:
    """Side 2 on 4 x 4: rows r-1 and r, so 1, 2, 2, 2 rows of it are inside; the mean area is (7/4)^2."""
    centre = torch.cartesian_prod(torch.arange(4), torch.arange(4))
    area = cutout_mask(centre, 2, (4, 4)).sum(dim=(1, 2)).double()
    assert area.mean().item() == (7 / 4) ** 2
    assert area.max().item() == 4


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("channels_last", [True, False])
def test_a_training_batch_is_the_plain_one(device: str, channels_last: bool) -> None:
    images = random_images()
    normal = normalisation(images)
    chosen = Augmentation(padding=2, flip=True, cutout=3)
    on_device = DeviceImages(images, normal, device, channels_last=channels_last)
    batches = list(TrainingBatches(on_device, 8, chosen, seeded(5)).epoch())
    assert len(batches) == 3  # of 30 images, 6 are left out
    plan = draw_plan(30, (8, 8), chosen, seeded(5))
    mean, std = np.array(normal.mean), np.array(normal.std)
    position = 0
    for x, y in batches:
        assert x.shape == (8, 3, 8, 8)
        layout = torch.channels_last if channels_last else torch.contiguous_format
        assert x.is_contiguous(memory_format=layout)
        for row in range(8):
            index = int(plan.order[position])
            assert int(y[row]) == index
            shift = (int(plan.shift[position, 0]), int(plan.shift[position, 1]))
            plain = augmented_plainly(images.x[index], shift, bool(plan.flip[position]), 2)
            want = (plain / 255 - mean) / std
            top, left = (plan.centre[position] - 3 // 2).tolist()
            want[max(top, 0) : max(top + 3, 0), max(left, 0) : max(left + 3, 0)] = 0
            np.testing.assert_allclose(x[row].permute(1, 2, 0).cpu().numpy(), want, atol=2e-5)
            position += 1


@pytest.mark.parametrize("device", DEVICES)
def test_evaluation_takes_every_image_as_it_is(device: str) -> None:
    images = random_images()
    on_device = DeviceImages(images, Normalisation((0.5,) * 3, (0.25,) * 3), device)
    x = torch.cat([x for x, _ in on_device.batches(7)])
    y = torch.cat([y for _, y in on_device.batches(7)])
    assert y.tolist() == list(range(30))
    want = (images.x / 255 - 0.5) / 0.25
    np.testing.assert_allclose(x.permute(0, 2, 3, 1).cpu().numpy(), want, atol=1e-5)
    one, label = on_device.batch(torch.tensor([4, 2], device=device))
    np.testing.assert_array_equal(one.cpu(), x[[4, 2]].cpu())
    assert label.tolist() == [4, 2]


def test_training_images_are_normalised_to_zero_and_one() -> None:
    images = random_images(50)
    x = next(DeviceImages(images, normalisation(images)).batches(50))[0].double()
    np.testing.assert_allclose(x.mean(dim=(0, 2, 3)), 0, atol=1e-6)
    np.testing.assert_allclose(x.std(dim=(0, 2, 3), correction=0), 1, atol=1e-6)


def test_bf16_is_the_float32_batch_rounded() -> None:
    images = random_images()
    normal = normalisation(images)
    exact = next(DeviceImages(images, normal).batches(30))[0]
    rounded = next(DeviceImages(images, normal, dtype=torch.bfloat16).batches(30))[0]
    assert rounded.dtype == torch.bfloat16
    assert torch.equal(rounded, exact.to(torch.bfloat16))


def one_run(generator: torch.Generator, epochs: int, drop_last: bool = True) -> list[torch.Tensor]:
    images = random_images()
    batches = TrainingBatches(
        DeviceImages(images, normalisation(images)), 8, Augmentation(cutout=3), generator, drop_last
    )
    return [x for _ in range(epochs) for x, _ in batches.epoch()]


def test_one_seed_gives_one_training_and_leaves_the_global_generator_alone() -> None:
    before = torch.get_rng_state()
    first, again, other = one_run(seeded(1), 2), one_run(seeded(1), 2), one_run(seeded(2), 2)
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(first, other, strict=True))
    assert not torch.equal(first[0], first[3])  # the second epoch is another one


@pytest.mark.parametrize("drop_last", [True, False])
@pytest.mark.parametrize("done", range(9))
def test_resume_after_any_batch_is_exact(done: int, drop_last: bool) -> None:
    images = random_images()
    on_device = DeviceImages(images, normalisation(images))

    def training(seed: int) -> TrainingBatches:
        return TrainingBatches(on_device, 8, Augmentation(cutout=2), seeded(seed), drop_last)

    whole, interrupted, resumed = training(3), training(3), training(99)
    per_epoch = len(whole)
    assert per_epoch == (3 if drop_last else 4)
    want = [x for _ in range(4) for x, _ in whole.epoch()][done:]
    state, seen = interrupted.state_dict(), 0
    while seen < done:
        for _ in interrupted.epoch():
            seen += 1
            state = interrupted.state_dict()
            if seen == done:
                break
    resumed.load_state_dict(state)
    got: list[torch.Tensor] = []
    while len(got) < len(want):
        got += [x for x, _ in resumed.epoch()]
    assert all(torch.equal(a, b) for a, b in zip(got, want, strict=True))


def test_processes_share_out_each_batch() -> None:
    images = random_images()
    on_device = DeviceImages(images, normalisation(images))
    whole = [y.tolist() for _, y in TrainingBatches(on_device, 8, NO_AUGMENTATION, seeded()).epoch()]
    parts = [
        [
            y.tolist()
            for _, y in TrainingBatches(on_device, 8, NO_AUGMENTATION, seeded(), shard=(r, 2)).epoch()
        ]
        for r in range(2)
    ]
    for batch, first, second in zip(whole, *parts, strict=True):
        assert first == batch[::2]
        assert second == batch[1::2]


def test_impossible_batches_are_refused() -> None:
    images = random_images()
    on_device = DeviceImages(images, normalisation(images))
    with pytest.raises(InputError, match=r"batch size 31 must be in 1\.\.30"):
        TrainingBatches(on_device, 31, NO_AUGMENTATION, seeded())
    with pytest.raises(InputError, match="does not divide among 3"):
        TrainingBatches(on_device, 8, NO_AUGMENTATION, seeded(), shard=(0, 3))
    with pytest.raises(InputError, match="must not be negative"):
        Augmentation(padding=-1)


def test_standard_padding_is_the_benchmarks() -> None:
    """NAS-Bench-201 pads CIFAR by 4 and ImageNet16 by 2."""
    assert Augmentation.standard(32).padding == 4
    assert Augmentation.standard(16).padding == 2


@pytest.mark.gpu
@gpu
def test_a_cpu_generator_gives_the_same_batches_on_both_devices() -> None:
    images = random_images()
    normal = normalisation(images)
    runs = [
        [
            x.cpu()
            for x, _ in TrainingBatches(DeviceImages(images, normal, d), 8, Augmentation(), seeded()).epoch()
        ]
        for d in ("cpu", "cuda")
    ]
    for a, b in zip(*runs, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


@pytest.mark.gpu
@gpu
def test_a_generator_on_the_device_resumes_too() -> None:
    images = random_images()
    on_device = DeviceImages(images, normalisation(images), "cuda")

    def training(seed: int) -> TrainingBatches:
        return TrainingBatches(on_device, 8, Augmentation(), torch.Generator("cuda").manual_seed(seed))

    first, second = training(0), training(1)
    next(iter(first.epoch()))
    second.load_state_dict(first.state_dict())
    for (a, _), (b, _) in zip(first.epoch(), second.epoch(), strict=True):
        assert torch.equal(a, b)
