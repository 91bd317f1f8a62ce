"""Which words count as common, by the statistics of the database."""

import pytest
from django.db import connection

from accounts.models import User
from config.tests.making import make_conversation
from search.models import CommonWord
from search.tasks import refresh_common_words
from search.tests.index import index_all

pytestmark = pytest.mark.django_db


def analyze() -> None:
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE search_chunks")


def test_words_of_most_chunks_are_common(alice: User):
    texts = [f"project {'meeting' if number % 2 else 'plan'} of {chr(97 + number) * 4}" for number in range(26)]
    make_conversation(alice, imported_chat=[{"role": "user", "content": text} for text in texts])
    index_all()
    analyze()
    assert refresh_common_words() == 3
    assert set(CommonWord.objects.values_list("lexeme", flat=True)) == {"project", "meet", "plan"}


def test_what_is_no_longer_common_goes(alice: User):
    CommonWord.objects.create(lexeme="whale")
    refresh_common_words()
    assert not CommonWord.objects.exists()
