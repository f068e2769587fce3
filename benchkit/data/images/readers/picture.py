"""Decodes one picture file into an array, whatever its format, or says in one line why it cannot."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from typing import TYPE_CHECKING

import numpy as np

from benchkit.base.errors import InputError
from benchkit.data.images.image_set import Images

if TYPE_CHECKING:
    from PIL.Image import Image

MOST_PIXELS = 64_000_000
"""Pixels of the largest picture: those of ImageNet have up to 61 million, strips of CIFAR-10 10 million."""

# those of the suffixes that a folder is searched for; Pillow knows others, which run programs
_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM")
# what damaged pictures make its decoders raise
_DAMAGED = (
    OSError, SyntaxError, ValueError, EOFError, TypeError, AttributeError, LookupError, ArithmeticError,
    RuntimeError, struct.error, zlib.error,
)  # fmt: skip
_GREY = ("1", "L", "LA")
_COLOUR = ("P", "PA", "RGB", "RGBA", "CMYK", "YCbCr")


def open_picture(content: bytes, where: str) -> Image:
    """Return a picture in mode L (grey) or RGB; palettes and CMYK become RGB, transparency is dropped.

    Raises InputError for what is not a picture, is truncated, has pixels that do not fit into bytes, or more
    than `MOST_PIXELS`.
    """
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about metadata that is not used here
            picture = Image.open(io.BytesIO(content), formats=_FORMATS)
            width, height = picture.size  # as its header says: no pixel was made room for
            if width * height > MOST_PIXELS:
                raise InputError(f"{where} has {height:,} x {width:,} pixels, more than {MOST_PIXELS:,}")
            picture.load()
            if picture.mode in _GREY:
                return picture.convert("L")
            if picture.mode in _COLOUR:
                return picture.convert("RGB")
    except InputError:
        raise
    except Image.DecompressionBombError as error:
        raise InputError(f"{where} has more than {MOST_PIXELS:,} pixels") from error
    except MemoryError as error:
        raise InputError(f"{where} is too large for this machine's memory") from error
    except _DAMAGED as error:
        raise InputError(f"{where} is truncated, or not a picture") from error
    raise InputError(f"{where} has pixels of mode {picture.mode}, not of 8 bits a channel")


def decode(content: bytes, where: str) -> Images:
    """Return uint8[height, width, 1 or 3]; raises as `open_picture`."""
    pixels = np.array(open_picture(content, where), dtype=np.uint8)
    return pixels[..., None] if pixels.ndim == 2 else pixels
