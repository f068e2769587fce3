"""Holds image data: import, storage, splits, and batches made on the device.

Nothing here loads torch but `augment`, `device_set`, `epochs`, `stream_images` and `stream_loader`, which
make tensors.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchkit.data.images.catalogue import image_set_names, open_image_set, open_streamed
    from benchkit.data.images.image_set import ImageSet, LabelledImages
    from benchkit.data.images.importing import import_images
    from benchkit.data.images.splits import SearchImages, divide, parse_split

__all__ = [
    "ImageSet",
    "LabelledImages",
    "SearchImages",
    "divide",
    "image_set_names",
    "import_images",
    "open_image_set",
    "open_streamed",
    "parse_split",
]

_HOMES = {
    **dict.fromkeys(("ImageSet", "LabelledImages"), "image_set"),
    **dict.fromkeys(("SearchImages", "divide", "parse_split"), "splits"),
    **dict.fromkeys(("image_set_names", "open_image_set", "open_streamed"), "catalogue"),
    "import_images": "importing",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
