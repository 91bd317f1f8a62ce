"""The back office of search."""

import pytest
from django.test import Client

from accounts.models import AuditEvent, User
from config.tests.admin_pages import address, check_closed, check_pages, detail_page
from config.tests.making import make_conversation
from search import embedding
from search.models import EmbeddingModel
from search.tests.index import index_all, run


def make_model(number: int) -> EmbeddingModel:
    return EmbeddingModel.objects.create(name=f"openai/model-{number}", max_distance=0.5, state="retired")


def test_it_shows_a_list_without_a_query_for_each_row(olivias: Client):
    check_pages(olivias, make_model)


def test_it_lets_nobody_but_operators_in(bobs: Client):
    check_closed(bobs, Client(), make_model(1))


def test_it_tells_how_full_the_index_is(alice: User, olivias: Client):
    make_conversation(alice)
    index_all()
    run("UPDATE search_chunks SET embedding = NULL WHERE message_index = 0")
    shown = detail_page(olivias, embedding.active_model())
    assert '<div class="readonly">2</div>' in shown and '<div class="readonly">1</div>' in shown


def test_an_operator_may_set_the_distance_and_nothing_else(olivias: Client):
    model = make_model(1)
    form = {"max_distance": "0.7", "name": "openai/other", "state": "active"}
    assert olivias.post(address("change", EmbeddingModel, model.pk), form).status_code == 302
    model.refresh_from_db()
    assert (model.max_distance, model.name, model.state) == (0.7, "openai/model-1", "retired")
    event = AuditEvent.objects.get(action="embedding_model.changed")
    assert (event.before, event.after) == ({"max_distance": 0.5}, {"max_distance": 0.7})


@pytest.mark.parametrize("distance", ["0", "2.5", "-1", "x", ""])
def test_it_refuses_a_distance_that_cannot_be(olivias: Client, distance: str):
    model = make_model(1)
    assert olivias.post(address("change", EmbeddingModel, model.pk), {"max_distance": distance}).status_code == 200
    model.refresh_from_db()
    assert model.max_distance == 0.5


def test_nobody_adds_or_deletes_a_model(olivias: Client):
    model = make_model(1)
    assert olivias.post(address("delete", EmbeddingModel, model.pk), {"post": "yes"}).status_code == 403
    assert olivias.get(address("add", EmbeddingModel)).status_code == 403
