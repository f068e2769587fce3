"""One picture file as an array, whatever its format, or one line that says why not."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING

import numpy as np

from benchkit.images.image_set import Images
from benchkit.spaces import InputError

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["decode", "open_picture"]

_GREY = ("1", "L", "LA")
_COLOUR = ("P", "PA", "RGB", "RGBA", "CMYK", "YCbCr")


def open_picture(content: bytes, where: str) -> Image:
    """Return a picture in mode L (grey) or RGB; palettes and CMYK become RGB, transparency is dropped.

    Raises
    ------
    InputError : not a picture, truncated, or of pixels that do not fit into bytes.
    """
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about metadata that is not used here
            picture = Image.open(io.BytesIO(content))
            picture.load()
            if picture.mode in _GREY:
                return picture.convert("L")
            if picture.mode in _COLOUR:
                return picture.convert("RGB")
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        raise InputError(f"{where} is truncated, or not a picture") from error
    raise InputError(f"{where} has pixels of mode {picture.mode}, not of 8 bits a channel")


def decode(content: bytes, where: str) -> Images:
    """Return uint8[height, width, 1 or 3]; raises as `open_picture`."""
    pixels = np.array(open_picture(content, where), dtype=np.uint8)
    return pixels[..., None] if pixels.ndim == 2 else pixels
