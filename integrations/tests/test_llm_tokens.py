"""What a text costs in tokens, and how much of it fits."""

import time
from math import log
from pathlib import Path
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.llm.tokens import (
    LLAMA_2,
    bytes_per_token,
    characters_for,
    count_tokens,
    estimate_tokens,
    fitting,
    load_tokenizer,
    size,
    tokenizer_for,
)

anything = st.text(st.characters(exclude_categories=[]))  # lone surrogates and NUL, too

# Published with GPT-4o (openai.com/index/hello-gpt-4o): a sentence, and its tokens for GPT-4 and for GPT-4o.
PUBLISHED = [
    ("Hello, my name is GPT-4o. I'm a new type of language model, it's nice to meet you!", 27, 24),
    ("Hola, me llamo GPT-4o. Soy un nuevo tipo de modelo de lenguaje, ¡es un placer conocerte!", 29, 26),
    ("Привет, меня зовут GPT-4o. Я — новая языковая модель, приятно познакомиться!", 39, 23),
    ("你好，我的名字是GPT-4o。我是一种新型的语言模型，很高兴见到你!", 34, 24),
    ("こんにちは、私の名前はGPT-4oです。私は新しいタイプの言語モデルです。初めまして！", 37, 26),
    ("नमस्ते, मेरा नाम जीपीटी-4o है। मैं एक नए प्रकार का भाषा मॉडल हूँ। आपसे मिलकर अच्छा लगा!", 90, 31),
]


@given(st.text(st.characters(max_codepoint=127)))
def test_it_takes_a_quarter_of_the_characters_of_ascii(text):
    assert estimate_tokens(text) == len(text) // 4


@pytest.mark.parametrize(
    ("text", "tokens"), [("", 0), ("abcdefgh", 2), ("éééé", 2), ("模型质量", 3), ("😀", 1), ("\ud800", 0)]
)
def test_it_counts_bytes_of_other_scripts(text, tokens):
    assert estimate_tokens(text) == tokens


@pytest.mark.parametrize(("text", "gpt4", "gpt4o"), PUBLISHED)
def test_it_estimates_what_was_published_for_gpt_4o(text, gpt4, gpt4o):
    assert 0.75 <= estimate_tokens(text) / gpt4o <= 1.8
    assert count_tokens(text, "gpt-4o") == estimate_tokens(text)


@pytest.mark.parametrize(("text", "gpt4", "gpt4o"), PUBLISHED)
def test_it_counts_about_what_was_published_for_gpt_4(text, gpt4, gpt4o):
    assert 0.8 <= count_tokens(text, "gpt-4") / gpt4 <= 1.3


def test_it_counts_nearer_to_what_was_published_than_it_estimates():
    counted = [abs(log(count_tokens(text, "gpt-4") / gpt4)) for text, gpt4, _ in PUBLISHED]
    estimated = [abs(log(estimate_tokens(text) / gpt4)) for text, gpt4, _ in PUBLISHED]
    assert fmean(counted) < 0.6 * fmean(estimated)


@pytest.mark.parametrize(
    "model", ["gpt-4", "gpt-4-turbo", "gpt-4-0613", "gpt-3.5-turbo", "llama2:13b", "meta-llama/Llama-2-7b-chat-hf"]
)
def test_it_has_a_tokenizer_for_older_models(model):
    assert tokenizer_for(model) is load_tokenizer(LLAMA_2) is not None


@pytest.mark.parametrize(
    "model",
    ["gpt-4o", "gpt-4.1-mini", "gpt-5", "o3", "claude-sonnet-4-20250514", "grok-4-0709", "llama-21", "demo", ""],
)
def test_it_has_none_for_the_others(model):
    assert tokenizer_for(model) is None
    assert count_tokens("abcdefgh", model) == 2
    assert bytes_per_token("你好" * 9, model) == 4


def test_it_does_without_a_tokenizer_that_is_not_on_disk():
    assert load_tokenizer(Path("nowhere/tokenizer.json")) is None


def test_it_counts_text_that_cannot_be_encoded():
    assert count_tokens("a\ud800b", "gpt-4") >= 3


def test_it_knows_that_tokens_of_dense_text_hold_less():
    hindi = PUBLISHED[-1][0] * 2_000
    assert 2 < bytes_per_token(hindi, "gpt-4") < 3
    assert bytes_per_token("information " * 500, "gpt-4") == 4  # never more than the estimate allows
    assert bytes_per_token("", "gpt-4") <= 4


def test_it_judges_a_long_text_by_all_of_it():
    mixed = "a plain English sentence. " * 20_000 + PUBLISHED[-1][0] * 8_000
    assert bytes_per_token(mixed, "gpt-4") < 3.5


@pytest.mark.parametrize(("tokens", "characters"), [(10, 40), (0, 0), (-7, 0)])
def test_it_says_how_much_text_so_many_tokens_are(tokens, characters):
    assert characters_for(tokens) == characters


@given(anything, st.integers(-2, 60), st.integers(0, 5))
def test_it_finds_the_longest_start_that_fits(text, room, start):
    count = fitting(text, room, start)
    assert size(text[start : start + count]) <= max(room, 0)
    following = text[start : start + count + 1]
    assert len(following) == count or size(following) > room


def test_it_estimates_a_megabyte_in_less_than_a_millisecond():
    text = "The quick brown fox. " * 50_000
    began = time.process_time()
    for _ in range(100):
        estimate_tokens(text)
    assert (time.process_time() - began) / 100 < 0.001
