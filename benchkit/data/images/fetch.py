"""Downloads image data that has a direct address and a published checksum.

The checksums are MD5s, as their authors publish them (CIFAR: https://www.cs.toronto.edu/~kriz/cifar.html;
Fashion-MNIST: README of github.com/zalandoresearch/fashion-mnist): they guard against damage, not malice.
What is unpickled of CIFAR is plain data in any case (`benchkit.data.images.readers.pickled_batch`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchkit.base.download import retrieve
from benchkit.base.errors import InputError, unknown
from benchkit.base.files import MEGABYTE
from benchkit.base.home import home

_LARGEST = 400 * MEGABYTE  # CIFAR-10 has 170 MB


@dataclass(frozen=True, slots=True)
class Download:
    """Files with a direct address: that of their folder, file name -> MD5, and their size in words."""

    base: str
    files: dict[str, str]
    size: str


_TORONTO = "https://www.cs.toronto.edu/~kriz/"
DIRECT = {
    "cifar10": Download(_TORONTO, {"cifar-10-python.tar.gz": "c58f30108f718f92721af3b95e74349a"}, "170 MB"),
    "cifar100": Download(_TORONTO, {"cifar-100-python.tar.gz": "eb9058c3a382ffc7106e4002c42a8d85"}, "169 MB"),
    "fashion-mnist": Download(
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        {
            "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
            "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
            "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
        },
        "31 MB",
    ),
}
"""Data set -> its official files."""

_IMAGENET = "https://image-net.org/download-images, after registering there"
ELSEWHERE = {
    "imagenet16-120": "train_data_batch_1 to _10 and val_data of ImageNet16 (downsampled, 16 x 16) from "
    f" {_IMAGENET}",
    "imagenet": f"ILSVRC 2012 from {_IMAGENET}, as train/CLASS/FILE and val/CLASS/FILE",
    "mnist": "the four IDX files from http://yann.lecun.com/exdb/mnist",
}
"""Data set -> place to get it by hand."""


def fetch_images(name: str) -> Path:
    """Return what `import_images` takes: the official files, downloaded unless they are there already.

    Raises
    ------
    InputError : unknown name, the embedded digits, a data set without a direct address (it says where to get
        it), or a failed download (see `retrieve`).
    """
    if name == "digits":
        raise InputError("digits are embedded: there is nothing to fetch")
    if name in ELSEWHERE:
        raise InputError(
            f"{name} has no direct address: get {ELSEWHERE[name]}; then benchkit data import PATH"
        )
    if name not in DIRECT:
        raise unknown("data set", name, [*DIRECT, *ELSEWHERE], "data fetch")

    download = DIRECT[name]
    folder = home("downloads") / name
    for file, md5 in download.files.items():
        place = retrieve(download.base + file, f"md5:{md5}", folder, _LARGEST, "benchkit data import")
    return place if len(download.files) == 1 else folder
