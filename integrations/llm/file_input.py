"""Which files a provider's models look at themselves, and how they get them. What is not here is told as text.

OpenAI: platform.openai.com/docs/guides/images-vision and /pdf-files (Chat Completions takes no address of a PDF).
Anthropic: docs.anthropic.com, "Vision" (5 MB for an image, of which Base64 leaves three quarters) and "PDF support"
(100 pages). xAI: docs.x.ai, "Image understanding" (JPEG and PNG).
"""

from typing import NamedTuple

PDF = "application/pdf"
JPEG_AND_PNG = frozenset({"image/jpeg", "image/png"})
IMAGES = JPEG_AND_PNG | {"image/gif", "image/webp"}


class FileInput(NamedTuple):
    """`types` are looked at, those of `by_address` also where only an address is given; an image has at most
    `image_bytes`, a PDF `pdf_pages`."""

    types: frozenset[str] = IMAGES
    by_address: frozenset[str] = frozenset()
    image_bytes: int = 20 * 1024 * 1024
    pdf_pages: int = 100


_INPUTS = {
    "openai": FileInput(IMAGES | {PDF}, by_address=IMAGES),
    "anthropic": FileInput(IMAGES | {PDF}, by_address=IMAGES | {PDF}, image_bytes=5 * 1024 * 1024 * 3 // 4),
    "grok": FileInput(JPEG_AND_PNG, by_address=JPEG_AND_PNG),
    "demo": FileInput(frozenset()),
}
_COMPATIBLE = FileInput()  # a server that speaks OpenAI's Chat Completions, as far as one can know


def file_input(provider: str) -> FileInput:
    return _INPUTS.get(provider, _COMPATIBLE)
