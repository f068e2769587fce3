"""Image data, under the name by which earlier releases had them: see `benchkit.data.images`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import benchkit.data.images

if TYPE_CHECKING:
    from benchkit.data.images import (
        ImageSet,
        LabelledImages,
        SearchImages,
        divide,
        image_set_names,
        import_images,
        open_image_set,
        open_streamed,
        parse_split,
    )

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


def __getattr__(name: str) -> Any:
    return getattr(benchkit.data.images, name)
