"""How many tokens a text costs: an estimate for every model, and a tokenizer's count for the few where one is at hand.

Sizes are bytes of UTF-8, a quarter of which is the estimate. For ASCII that is contract.md 4.7's `len(text) // 4`; for
other scripts it stays in the right range, where a quarter of the characters is a third of what a Chinese text costs.
OpenAI published GPT-4o's counts of a sentence in many languages (openai.com/index/hello-gpt-4o). In the nineteen that
we compared, the estimate is 0.8 to 1.8 times the truth; a quarter of the characters would be 0.35 to 1.0 times.
"""

import functools
import re
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from config.text import clean_text

if TYPE_CHECKING:
    from tokenizers import Tokenizer

BYTES_PER_TOKEN = 4  # contract.md 4.7
SAMPLES, SAMPLE_CHARACTERS = 64, 1024
_CONTINUATION = bytes(range(0x80, 0xC0))  # every byte of a character but its first (RFC 3629 section 3)


def size(text: str) -> int:
    """Bytes of `text` in UTF-8; a lone surrogate counts as three."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def estimate_tokens(text: str) -> int:
    """About how many tokens `text` is to any model. Costs nothing for ASCII, a copy of the text otherwise."""
    return size(text) // BYTES_PER_TOKEN


def characters_for(tokens: int) -> int:
    """The size of a text of about `tokens` tokens: that many bytes, or characters of ASCII. Never negative."""
    return max(tokens, 0) * BYTES_PER_TOKEN


def fitting(text: str, room: int, start: int = 0) -> int:
    """How many characters of `text` from `start` on have at most `room` bytes; takes time for these alone."""
    window = text[start : start + max(room, 0)]
    if window.isascii():
        return len(window)
    encoded = window.encode("utf-8", "surrogatepass")
    begun = len(encoded[:room].translate(None, _CONTINUATION))
    is_cut = len(encoded) > room and encoded[room] in _CONTINUATION
    return begun - is_cut


def count_tokens(text: str, model_id: str) -> int:
    """Tokens of `text` for a model: by a tokenizer if one for its family is on disk, else the estimate.

    No vendor of the catalogue ships a tokenizer that works without a network: Anthropic and xAI publish none for their
    present models, and OpenAI's vocabularies have to be fetched. What is here is Llama 2's, which comes with the
    embedder. It is exact for Llama 2. For OpenAI's models before GPT-4o it is the better figure: on the sentences named
    above it gives 0.8 to 1.8 times their count, mostly too many, where the estimate gives 0.4 to 0.9 times, always too
    few. For GPT-4o and later it would be 1.2 to 6.5 times too much, so these get the estimate, like all others.
    Takes about 0.2 ms for a kilobyte if it is counted.
    """
    tokenizer = tokenizer_for(model_id)
    if tokenizer is None:
        return estimate_tokens(text)
    return len(tokenizer.encode(clean_text(text), add_special_tokens=False).ids)


def bytes_per_token(text: str, model_id: str) -> float:
    """What a token of `text` holds, counted on samples from all of it; at most 4, so that budgets only get safer."""
    if tokenizer_for(model_id) is None:
        return BYTES_PER_TOKEN
    step = max(len(text) // SAMPLES, SAMPLE_CHARACTERS)
    sample = "".join(text[at : at + SAMPLE_CHARACTERS] for at in range(0, len(text), step))
    return min(BYTES_PER_TOKEN, size(sample) / max(count_tokens(sample, model_id), 1))


def tokenizer_for(model_id: str) -> "Tokenizer | None":
    """The tokenizer to count a model's tokens with, if there is one and its vocabulary is on disk."""
    for family, path in TOKENIZERS.items():
        if re.match(family, model_id, re.IGNORECASE):
            return load_tokenizer(path)
    return None


@functools.cache
def load_tokenizer(path: Path) -> "Tokenizer | None":
    """The tokenizer of a `tokenizer.json`, or None if there is no such file."""
    if not path.is_file():
        return None
    from tokenizers import Tokenizer  # 20 ms that most processes never need

    return Tokenizer.from_file(str(path))


def _in_package(package: str, file: str) -> Path:
    spec = find_spec(package)
    return Path(spec.origin).parent / file if spec and spec.origin else Path(file)


LLAMA_2 = _in_package("wordllama", "tokenizers/l2_supercat_tokenizer_config.json")
TOKENIZERS = {  # the beginning of a model's id, as a regular expression: a tokenizer.json
    r"(.*/)?llama-?2(?!\d)": LLAMA_2,
    r"(.*/)?gpt-3\.5|(.*/)?gpt-4(?![\d.o])": LLAMA_2,
}
