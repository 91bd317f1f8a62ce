"""Vectors without a key and without a network: wordllama, whose weights come with its package."""

import threading
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from integrations.embeddings.base import Embedded, fitted

if TYPE_CHECKING:
    from wordllama.inference import WordLlamaInference

TEXTS_AT_ONCE = 32  # measured: smaller and larger batches are slower


class OfflineEmbedder:
    """Loads its 30 MB when it is first asked, which takes half a second; about 400 chunks a second after that.

    It averages word vectors: word order and negation mean nothing to it.
    """

    name = "offline/wordllama-256"

    def __init__(self) -> None:
        self._loading = threading.Lock()

    def embed(self, texts: Sequence[str], *, seconds: float) -> Embedded:
        with self._loading:
            model = self._model
        found = model.embed(list(texts), batch_size=TEXTS_AT_ONCE).tolist()
        return Embedded([fitted(self.name, numbers) for numbers in found], tokens=0)

    @cached_property
    def _model(self) -> "WordLlamaInference":
        import wordllama

        folder = Path(wordllama.__file__).parent  # told where its tokenizer is, it does not try to download it
        return wordllama.WordLlama.load(cache_dir=folder, dim=256, disable_download=True)
