"""The one seam between Draftloom and a model that turns texts into vectors."""

import math
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from integrations.llm.errors import ProviderRefused

DIMENSIONS = 1536
"""Numbers in a vector, whatever the model: that many does OpenAI's usual model give, and the index hold."""

Vector = list[float]


class Embedded(NamedTuple):
    """A vector for each text, in their order: `DIMENSIONS` long, of length 1 (or 0 for a text without meaning).

    `tokens` is what the vendor will charge; 0 for a model of our own.
    """

    vectors: list[Vector]
    tokens: int


class Embedder(Protocol):
    """Turns texts into vectors; may be used by several threads at once."""

    name: str

    def embed(self, texts: Sequence[str], *, seconds: float) -> Embedded:
        """Takes at most about `seconds`, further attempts included. No text may be blank.

        Raises an `LLMError`, and nothing else, when there is not a vector for every text.
        """
        ...


def fitted(name: str, numbers: Sequence[float]) -> Vector:
    """The vector as it is stored: scaled to length 1, which changes no angle, and filled up with zeros.

    Raises `ProviderRefused` if that can't be: too many numbers, none, or one that is not finite.
    """
    if not 0 < len(numbers) <= DIMENSIONS:
        raise ProviderRefused(
            f"{name} gives vectors of {len(numbers)} numbers, and 1 to {DIMENSIONS} can be stored. Set EMBEDDING_MODEL "
            "to another model."
        )
    length = math.hypot(*numbers)
    if not math.isfinite(length):
        raise ProviderRefused(f"{name} gave a vector with a number that is not finite.")
    scale = 1 / length if length > 0 else 0.0
    return [number * scale for number in numbers] + [0.0] * (DIMENSIONS - len(numbers))
