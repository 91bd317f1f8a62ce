import re

import pytest
from django.test import Client

from config.api.problems import PROBLEMS, title
from config.tests.api_routes import check_refused

FIREFOX = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
CHROME = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8"


@pytest.mark.parametrize(
    "accept", [None, "*/*", "application/json", "application/json, text/html;q=0.9", "image/png", ""]
)
def test_it_says_a_word_to_programs(db: None, client: Client, accept: str | None) -> None:
    answer = client.get("/", headers={} if accept is None else {"Accept": accept})
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/json")
    assert answer.json() == {"message": "Draftloom API"}


@pytest.mark.parametrize("accept", [FIREFOX, CHROME, "text/html", "application/json;q=0.5, text/html"])
def test_it_shows_a_page_to_browsers(db: None, client: Client, accept: str) -> None:
    answer = client.get("/", headers={"Accept": accept})
    assert (answer.status_code, answer["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert "<title>" in answer.content.decode()


def test_its_page_loads_nothing_from_elsewhere(db: None, client: Client) -> None:
    html = client.get("/", headers={"Accept": "text/html"}).content.decode()
    addresses = re.findall(r"""<(?!a\b)[^>]*(?:src|href)\s*=\s*["']([^"'#]+)["']""", html)  # what it loads, not links
    assert addresses
    for address in addresses:
        assert re.match(r"/(?!/)", address), address
        answer = client.get(address)
        assert answer.status_code in {200, 302}, address
        answer.close()


@pytest.mark.parametrize("accept", ["application/json", "text/html"])
def test_it_says_that_its_answer_depends_on_who_asks(db: None, client: Client, accept: str) -> None:
    assert "accept" in client.get("/", headers={"Accept": accept})["Vary"].lower()


def test_it_says_that_it_is_well_without_asking_the_database(client: Client) -> None:
    answer = client.get("/health")
    assert (answer.status_code, answer.json()) == (200, {"status": "healthy"})
    assert client.head("/health").status_code == 200


@pytest.mark.parametrize("path", ["/", "/health", "/problems/not_found", "/openapi.json"])
def test_it_only_reads_there(db: None, client: Client, path: str) -> None:
    for method in ("post", "put", "patch", "delete"):
        answer = getattr(client, method)(path)
        assert answer.status_code == 405, method
        assert "GET" in answer["Allow"]


@pytest.mark.parametrize("code", PROBLEMS)
def test_it_explains_each_problem_on_a_page(db: None, client: Client, code: str) -> None:
    answer = client.get(f"/problems/{code}")
    assert (answer.status_code, answer["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert f"<h1>{title(code, 400)}</h1>" in answer.content.decode().replace("&#x27;", "'")


@pytest.mark.parametrize(
    "path", ["/problems/unheard_of", "/problems/", "/nothing", "/health/x", "/%00", "/api", "/docs/"]
)
def test_it_has_nothing_elsewhere(db: None, client: Client, path: str) -> None:
    answer = client.get(path)
    assert check_refused(answer, 404)["code"] == "not_found"


@pytest.mark.parametrize("path", ["/api/", "/api/nothing", "/api/conversations/1/nothing", "/api//", "/api/%00"])
def test_under_the_api_one_has_to_sign_in_to_learn_what_there_is(alices: Client, client: Client, path: str) -> None:
    assert check_refused(client.get(path), 401)["code"] == "not_authenticated"
    assert check_refused(alices.get(path), 404)["code"] == "not_found"
