"""Made-up texts about made-up subjects, for measuring what real ones would cost."""

import random

WORDS_IN_TEXT, WORDS_OF_SUBJECT = 100, 40
ENDS = ("ck", "ll", "nt", "rd", "sh", "ver")
SYLLABLES = [a + b for a in "bdfgklmnprstv" for b in ("a", "ar", "e", "en", "io", "u")]
VOCABULARY = [a + b + c for a in SYLLABLES for b in SYLLABLES[::3] for c in ENDS]


def a_subject(chance: random.Random) -> list[str]:
    """What one conversation is about: drawn from all words, texts would be alike, as no real ones are."""
    return chance.sample(VOCABULARY, WORDS_OF_SUBJECT)


def a_text(subject: list[str], chance: random.Random) -> str:
    return " ".join(chance.choices(subject, k=WORDS_IN_TEXT))
