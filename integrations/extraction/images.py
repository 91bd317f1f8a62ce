"""An image's size, its number of frames, and a small copy of it. Nothing here says what it shows."""

import io
from collections.abc import Iterator
from typing import BinaryIO

from PIL import Image, ImageOps

from config.limits import IMAGE_PIXELS, THUMBNAIL_PIXELS
from integrations.extraction.base import Finding, Picture, Thumbnail, Unreadable

FORMATS = ("JPEG", "PNG", "GIF", "WEBP")


def read_image(source: BinaryIO) -> Iterator[Finding]:
    """Yields a `Picture` and its `Thumbnail`.

    Raises `Unreadable` (`too_large`) by the header alone, and what Pillow raises for a file that is none.
    """
    with _opened(source) as image:
        if image.width * image.height > IMAGE_PIXELS:
            raise Unreadable("too_large")
        frames = getattr(image, "n_frames", 1)
        yield Picture(image.width, image.height, frames)
        image.seek(0)
        yield Thumbnail(_small(image))


def _opened(source: BinaryIO) -> Image.Image:
    try:
        return Image.open(source, formats=FORMATS)
    except Image.DecompressionBombError:
        raise Unreadable("too_large") from None


def _small(image: Image.Image) -> bytes:
    """A WebP that fits into a square of `THUMBNAIL_PIXELS`, upright, with nothing of the file's metadata.

    It is made small first: every step after that costs next to nothing, however large the image.
    """
    if image.mode.startswith("I"):  # 16 bits of grey, which can't be resized
        image = image.convert("L")
    image.thumbnail((THUMBNAIL_PIXELS, THUMBNAIL_PIXELS))
    upright = ImageOps.exif_transpose(image).convert("RGBA" if image.has_transparency_data else "RGB")
    clean = Image.new(upright.mode, upright.size)
    clean.paste(upright)
    file = io.BytesIO()
    clean.save(file, "WEBP", quality=80)
    return file.getvalue()
