"""Pictures as people really have them, as RGB: turned, transparent, with 16 bits, or far too large.

What belongs here: decoding one picture with Pillow. Which pictures make a data set is decided in
``ants_bees.py``.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from PIL import Image, ImageOps

__all__ = ["MOST_PIXELS", "as_rgb", "opened", "quietly", "upright"]

MOST_PIXELS = 89_478_485  # a quarter of a gigabyte as RGB; where Pillow begins to warn, too


@contextmanager
def quietly() -> Iterator[None]:
    """Keep Pillow's warnings about transparency, metadata and size off the page."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def opened(content: bytes) -> Image.Image:
    """Open a picture without decoding it, however large it is: only its header is read."""
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None  # Pillow's error names no shape
    try:
        return Image.open(io.BytesIO(content))
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def upright(image: Image.Image) -> Image.Image:
    """The picture turned as its camera noted; as it is where the note cannot be read."""
    image.load()
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # damaged metadata raise many kinds of errors
        return image


def as_rgb(image: Image.Image) -> Image.Image:
    """The picture as 8-bit RGB. Transparency is dropped, as torchvision does.

    Raises:
        ValueError: the pixels are numbers whose range is not known.

    >>> as_rgb(Image.new("I;16", (1, 1), 65535)).getpixel((0, 0))
    (255, 255, 255)
    """
    if image.mode.startswith("I"):  # 16 bits; convert() would cut off everything above 255
        values = np.asarray(image).astype(np.int64)
        if values.min() < 0 or values.max() > 65535:
            raise ValueError("its pixels are 32-bit numbers; save it with 8 or 16 bits")
        image = Image.fromarray((values >> 8).astype(np.uint8))
    elif image.mode == "F":
        raise ValueError("its pixels are floating-point numbers; save it with 8 or 16 bits")
    elif image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")  # the way that Pillow does not warn about
    return image.convert("RGB")
