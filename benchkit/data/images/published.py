"""Lists the published data sets: what each must hold to bear its name, and its licence.

Counts and shapes: Krizhevsky (2009), "Learning multiple layers of features from tiny images", for CIFAR;
LeCun et al. (1998) for MNIST; Xiao et al. (2017), arXiv 1708.07747, for Fashion-MNIST; Chrabaszcz et al.
(2017), arXiv 1707.08819, and Dong and Yang (2020), arXiv 2001.00326, for ImageNet16-120.
"""

from __future__ import annotations

from dataclasses import dataclass

from benchkit.base.errors import InputError
from benchkit.data.images.image_set import ImageSet

CIFAR10_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
FASHION_CLASSES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Published:
    """A published data set.

    Attributes
    ----------
    train, test : Numbers of images.
    size : Height, width and channels; None where its images differ in size.
    licence : Terms of use, as far as its authors state any.
    sha256 : Identity of its arrays (see `ImageSet`), where the official files were at hand to compute it.
    """

    title: str
    train: int
    test: int
    size: tuple[int, int, int] | None
    classes: int
    licence: str
    sha256: str = ""


CIFAR10_SHA256 = "1eb24bd58cf3ed1d84d7cbfb87e7c4564b62f3a6170140335ca678b272e89369"
"""Identity of CIFAR-10: that of the official binary files with the published MD5s, in their order."""

FASHION_SHA256 = "65faa3754eaa6b8bfaf2a28ae56e4bb14731c03b2d9e2553ca7406fc9ac6b371"
"""Identity of Fashion-MNIST: that of the unpacked official files with the published MD5s."""

DIGITS_SHA256 = "2e59049b0c87254e983115f907185257ef0861e9d2e33b915c99c2783dc624ce"
"""Identity of scikit-learn's digits as split here; see `benchkit.data.images.digits`."""

_CIFAR = "none stated; cite Krizhevsky (2009)"

PUBLISHED = {
    "digits": Published(
        "8 x 8 handwritten digits (UCI optdigits, as in scikit-learn)",
        1437,
        360,
        (8, 8, 1),
        10,
        "CC BY 4.0 (UCI Machine Learning Repository); scikit-learn BSD-3-Clause",
        DIGITS_SHA256,
    ),
    "cifar10": Published("CIFAR-10", 50_000, 10_000, (32, 32, 3), 10, _CIFAR, CIFAR10_SHA256),
    "cifar100": Published("CIFAR-100", 50_000, 10_000, (32, 32, 3), 100, _CIFAR),
    "mnist": Published("MNIST", 60_000, 10_000, (28, 28, 1), 10, "none stated; cite LeCun et al. (1998)"),
    "fashion-mnist": Published(
        "Fashion-MNIST", 60_000, 10_000, (28, 28, 1), 10, "MIT (Zalando SE)", FASHION_SHA256
    ),
    "imagenet16-120": Published(
        "ImageNet16-120: the first 120 classes of ImageNet at 16 x 16",
        151_700,
        6_000,
        (16, 16, 3),
        120,
        "ImageNet terms of access: research, not commercial",
    ),
    "imagenet": Published(
        "ImageNet (ILSVRC 2012), a folder of images",
        1_281_167,
        50_000,
        None,
        1000,
        "ImageNet terms of access: research, not commercial",
    ),
}
"""Name -> its facts. Other names hold whatever was imported under them."""


def licence_of(name: str) -> str:
    """Return the terms of a published data set, or that none are known."""
    return PUBLISHED[name].licence if name in PUBLISHED else "not known: that of its source"


def check_published(images: ImageSet) -> ImageSet:
    """Return `images`, unless they bear a published name and are not that data set.

    An InputError says which counts, size or classes differ from the published ones, and offers another name.
    """
    check_counts(images.name, len(images.x_train), len(images.x_test), images.classes, images.size)
    fact = PUBLISHED.get(images.name)
    if fact is not None and fact.sha256 and images.sha256 != fact.sha256:
        raise InputError(
            f"this is not {images.name}: its counts fit, its images do not (SHA-256 {images.sha256[:12]}, "
            f"expected {fact.sha256[:12]}); keep it under another name with --as"
        )
    return images


def check_counts(
    name: str, train: int, test: int, classes: int, size: tuple[int, int, int] | None = None
) -> None:
    """Raise InputError where a published name has other counts, or another size where one is given."""
    fact = PUBLISHED.get(name)
    if fact is None:
        return
    counts = (fact.train, fact.test, fact.classes)
    if (train, test, classes) != counts or (fact.size and size and size != fact.size):
        raise InputError(
            f"this is not {name}: it holds {_words(train, test, classes, size)}, where {name} has "
            f"{_words(*counts, fact.size)}; keep it under another name with --as"
        )


def _words(train: int, test: int, classes: int, size: tuple[int, int, int] | None) -> str:
    shape = " x ".join(map(str, size)) if size else "any size"
    return f"{train:,} training and {test:,} test images of {shape} in {classes} classes"
