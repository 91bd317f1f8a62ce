from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection

from config.tests.stack import empty_database
from integrations.tests.fake_embeddings import FakeEmbeddings


@pytest.fixture
def committed(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """A database in which other threads see what the test writes; all of it goes again."""
    with django_db_blocker.unblock():
        yield
        connection.close()
        empty_database()
        connection.close()


@pytest.fixture
def vendor(settings: Any) -> Iterator[FakeEmbeddings]:
    """A server that speaks OpenAI's embeddings; models called `openai/…` are its."""
    with FakeEmbeddings() as fake:
        settings.OPENAI_API_KEY, settings.OPENAI_BASE_URL = "sk-test", fake.url
        yield fake
