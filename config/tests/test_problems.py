import json
from typing import Any

import pytest
from django.core import exceptions as django_exceptions
from django.db import DataError, IntegrityError, InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, StreamingHttpResponse
from django.http.multipartparser import MultiPartParserError
from django.http.response import HttpResponseBase
from django.test import RequestFactory
from drf_spectacular.generators import SchemaGenerator
from psycopg import errors as pg
from rest_framework import exceptions as drf
from rest_framework import permissions, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter

from config import exceptions
from config.api import errors
from config.api.errors import ProblemResponse, describe, exception_handler
from config.api.middleware import RefusalMiddleware, RequestIdMiddleware
from config.api.problems import PROBLEMS, REFUSAL, FieldError, Refusal, explanation, problem, title
from config.api.schema import Schema


def caused(exception: Exception, cause: Exception) -> Exception:
    exception.__cause__ = cause
    return exception


def read(response: HttpResponseBase | None) -> dict[str, Any]:
    assert isinstance(response, HttpResponse)
    document: dict[str, Any] = json.loads(response.content)
    assert response.headers["Content-Type"] == "application/problem+json"
    assert document["status"] == response.status_code
    return document


def test_it_has_every_member():
    assert problem(404, "not_found", "Gone fishing.", request_id="r1") == {
        "type": "/problems/not_found",
        "title": "Not found",
        "status": 404,
        "detail": "Gone fishing.",
        "code": "not_found",
        "request_id": "r1",
        "error": "Gone fishing.",
    }


def test_it_lists_the_fields_at_fault():
    document = problem(422, "invalid", "No.", errors=[FieldError("a.0", "Wrong.")])
    assert document["errors"] == [{"field": "a.0", "detail": "Wrong."}]


def test_it_lets_extra_members_in_but_not_in_place_of_others():
    document = problem(409, "conflict", "No.", extra={"status": 200, "results": []})
    assert (document["status"], document["results"]) == (409, [])


def test_it_titles_an_unknown_code_by_its_status():
    assert title("no_such_code", 409) == "Conflict"
    assert explanation("no_such_code") is None


@pytest.mark.parametrize("code", PROBLEMS)
def test_it_explains_each_code(code):
    text = explanation(code)
    assert text
    assert text.endswith(".")
    assert title(code, 400) == PROBLEMS[code][0]
    assert not PROBLEMS[code][0].endswith(".")


def test_it_names_the_request():
    request = RequestFactory().get("/")
    request.request_id = "abc"  # type: ignore[attr-defined]
    assert read(ProblemResponse(403, "forbidden", "No.", request=request))["request_id"] == "abc"
    assert read(ProblemResponse(403, "forbidden", "No.", request=Request(request)))["request_id"] == "abc"
    assert read(ProblemResponse(403, "forbidden", "No."))["request_id"] == ""


@pytest.mark.parametrize(
    ("exception", "status", "code"),
    [
        (exceptions.Invalid("x"), 422, "invalid"),
        (exceptions.BadRequest("x"), 400, "bad_request"),
        (exceptions.Forbidden("x"), 403, "forbidden"),
        (exceptions.NotFound("x"), 404, "not_found"),
        (exceptions.Conflict("x", code="run_in_progress"), 409, "run_in_progress"),
        (exceptions.Gone("x"), 410, "gone"),
        (exceptions.TooLarge("x"), 413, "too_large"),
        (exceptions.UnsupportedType("x"), 415, "unsupported_type"),
        (exceptions.Unavailable("x"), 503, "unavailable"),
        (exceptions.DraftloomError("x"), 500, "error"),
        (drf.ParseError("JSON parse error - secret"), 400, "malformed"),
        (drf.NotAuthenticated(), 401, "not_authenticated"),
        (drf.AuthenticationFailed("Unknown key."), 401, "authentication_failed"),
        (drf.PermissionDenied(), 403, "forbidden"),
        (drf.PermissionDenied("No.", code="missing_scope"), 403, "missing_scope"),
        (drf.NotFound(), 404, "not_found"),
        (drf.MethodNotAllowed("PUT"), 405, "method_not_allowed"),
        (drf.UnsupportedMediaType("text/secret"), 415, "unsupported_type"),
        (drf.Throttled(7.2), 429, "throttled"),
        (drf.APIException({"a": "secret"}), 500, "error"),
        (Http404("No Secret matches the given query."), 404, "not_found"),
        (django_exceptions.PermissionDenied("secret"), 403, "forbidden"),
        (django_exceptions.BadRequest("secret"), 400, "bad_request"),
        (django_exceptions.SuspiciousOperation("secret"), 400, "bad_request"),
        (django_exceptions.TooManyFieldsSent("secret"), 400, "bad_request"),
        (django_exceptions.DisallowedHost("secret"), 400, "invalid_host"),
        (django_exceptions.RequestDataTooBig("secret"), 413, "too_large"),
        (MultiPartParserError("secret"), 400, "malformed"),
        (OperationalError("secret"), 503, "database_unavailable"),
        (caused(OperationalError("secret"), pg.QueryCanceled()), 503, "database_unavailable"),
        (InterfaceError("secret"), 503, "database_unavailable"),
        (caused(DataError("secret"), pg.DataError("NUL")), 422, "unstorable_text"),
        (caused(DataError("secret"), pg.UntranslatableCharacter()), 422, "unstorable_text"),
        (caused(DataError("secret"), pg.InvalidTextRepresentation()), 422, "unstorable_text"),
        (caused(DataError("secret"), pg.NumericValueOutOfRange()), 422, "unstorable_value"),
    ],
)
def test_it_describes(exception, status, code):
    document = read(exception_handler(exception, {"request": None}))
    assert (document["status"], document["code"]) == (status, code)
    assert "secret" not in json.dumps(document).lower()
    assert "errors" not in document


@pytest.mark.parametrize(
    "exception",
    [RuntimeError(), IntegrityError(), ValueError(), UnicodeEncodeError("ascii", "é", 0, 1, "ordinal not in range")],
)
def test_it_leaves_a_fault_of_ours_to_django(exception):
    assert exception_handler(exception, {"request": None}) is None


def test_it_knows_text_that_cannot_be_encoded():
    with pytest.raises(UnicodeEncodeError) as fault:
        "\ud800".encode()
    assert read(exception_handler(fault.value, {}))["code"] == "unstorable_text"


def test_it_names_the_field_and_the_further_members_of_our_own_errors():
    refusal = exceptions.Invalid("Too long.", field="title", extra={"most": 80})
    document = read(exception_handler(refusal, {}))
    assert document["errors"] == [{"field": "title", "detail": "Too long."}]
    assert document["most"] == 80


def test_it_flattens_validation_errors():
    nested: Any = {
        "title": ["Required.", "Too short."],
        "messages": [{}, {"role": ["Unknown."], "parts": {"2": ["Empty."]}}],
        "non_field_errors": ["Together wrong."],
    }
    document = read(exception_handler(drf.ValidationError(nested), {}))
    assert (document["status"], document["code"]) == (422, "validation_error")
    assert document["detail"] == document["error"] == "title: Required."
    assert [(error["field"], error["detail"]) for error in document["errors"]] == [
        ("title", "Required."),
        ("title", "Too short."),
        ("messages.1.role", "Unknown."),
        ("messages.1.parts.2", "Empty."),
        ("", "Together wrong."),
    ]


@pytest.mark.parametrize(
    ("detail", "first"),
    [("Plain.", "Plain."), ([], "The input is not acceptable."), ({}, "The input is not acceptable.")],
)
def test_it_tells_of_a_validation_error_without_fields(detail, first):
    assert read(exception_handler(drf.ValidationError(detail), {}))["detail"] == first


def test_it_does_not_echo_without_bounds():
    many = {f"field{index}": [f'"{"x" * 5000}" is not a choice: \ud800\x00'] for index in range(500)}
    response = exception_handler(drf.ValidationError(many), {})
    assert len(read(response)["errors"]) == errors.MOST_ERRORS
    assert isinstance(response, HttpResponse)
    assert len(response.content) < 30_000


@pytest.mark.parametrize(
    ("exception", "name", "value"),
    [
        (exceptions.Unavailable("x"), "Retry-After", "2"),
        (exceptions.Unavailable("x", extra={"retry_after": 30}), "Retry-After", "30"),
        (OperationalError(), "Retry-After", "2"),
        (drf.Throttled(7.2), "Retry-After", "8"),
        (drf.Throttled(), "Retry-After", "2"),
        (drf.NotAuthenticated(), "WWW-Authenticate", "Cookie"),
    ],
)
def test_it_says_what_to_do_next_in_a_header(exception, name, value):
    response = exception_handler(exception, {})
    assert response is not None
    assert response.headers[name] == value


def test_it_logs_no_words_of_the_database(caplog):
    describe(caused(OperationalError("secret host"), pg.AdminShutdown("secret")))
    describe(caused(DataError("secret value"), pg.NumericValueOutOfRange("secret")))
    assert "57P01" in caplog.text
    assert "22003" in caplog.text
    assert "secret" not in caplog.text


def test_it_answers_for_django():
    request = RequestFactory().get("/")
    assert read(errors.bad_request(request, django_exceptions.RequestDataTooBig()))["code"] == "too_large"
    assert read(errors.bad_request(request, Exception()))["code"] == "bad_request"
    assert read(errors.permission_denied(request, Exception("secret")))["code"] == "forbidden"
    assert read(errors.not_found(request, Exception("secret")))["code"] == "not_found"
    assert read(errors.server_error(request))["code"] == "server_error"


def test_it_still_knows_the_fault_when_django_asks_for_a_500():
    try:
        raise OperationalError
    except OperationalError:
        assert read(errors.server_error(RequestFactory().get("/")))["code"] == "database_unavailable"


def through(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    return RequestIdMiddleware(RefusalMiddleware(lambda _: response))(request)


def test_it_gives_each_request_an_id():
    seen: list[Any] = []

    def view(request: HttpRequest) -> HttpResponse:
        seen.append(request)
        return HttpResponse()

    response = RequestIdMiddleware(view)(RequestFactory().get("/", headers={"X-Request-Id": "Abc-9"}))
    assert (seen[0].request_id, response.headers["X-Request-Id"]) == ("Abc-9", "Abc-9")


@pytest.mark.parametrize("given", ["", "a" * 65, "a b", "a\nb", "é", "a_b"])
def test_it_replaces_an_id_that_is_not_sane(given):
    response = through(RequestFactory().get("/", headers={"X-Request-Id": given}), HttpResponse())
    assert response.headers["X-Request-Id"] != given
    assert len(response.headers["X-Request-Id"]) == 32


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/api/x/", "/api/x"),
        ("/api/x", "/api/x"),
        ("/api/x//", "/api/x/"),
        ("/api/", "/api/"),
        ("/admin/x/", "/admin/x/"),
    ],
)
def test_it_strips_one_slash_under_api(path, expected):
    request = RequestFactory().get(path)
    through(request, HttpResponse())
    assert (request.path_info, request.path, request.META["PATH_INFO"]) == (expected, expected, expected)


def test_it_lets_nothing_be_cached_unless_the_view_says_so():
    cached = HttpResponse(headers={"Cache-Control": "max-age=60"})
    assert through(RequestFactory().get("/api/x"), HttpResponse()).headers["Cache-Control"] == "no-cache"
    assert through(RequestFactory().get("/api/x"), cached).headers["Cache-Control"] == "max-age=60"
    assert "Cache-Control" not in through(RequestFactory().get("/x"), HttpResponse()).headers


def test_it_turns_a_page_of_refusal_into_a_problem_only_under_api():
    response = through(RequestFactory().get("/api/x"), HttpResponseNotAllowed(["POST"]))
    assert read(response)["code"] == "method_not_allowed"
    assert response.headers["Allow"] == "POST"
    assert response.headers["Content-Length"] == str(len(response.content))  # type: ignore[attr-defined]
    page = through(RequestFactory().get("/x"), HttpResponse("<p>", status=404))
    assert page.headers["Content-Type"].startswith("text/html")


@pytest.mark.parametrize(
    "response",
    [HttpResponse("<p>"), HttpResponse("<p>", status=500), StreamingHttpResponse([b"<p>"], status=404)],
    ids=["success", "traceback", "stream"],
)
def test_it_leaves_other_pages_as_they_are(response):
    assert through(RequestFactory().get("/api/x"), response).headers["Content-Type"].startswith("text/html")


def test_it_answers_what_the_bridge_refused():
    request = RequestFactory().post("/api/x")
    request.META[REFUSAL] = Refusal(413, "too_large", "Too much.")
    document = read(through(request, HttpResponse("never")))
    assert (document["code"], document["detail"]) == ("too_large", "Too much.")
    assert document["request_id"]


class ThingViewSet(viewsets.ViewSet):
    schema = Schema()
    authentication_classes = ()

    def list(self, request: Request) -> Response:
        return Response([])

    def destroy(self, request: Request, pk: str) -> Response:
        return Response(status=204)

    @action(detail=True, methods=["get", "put"])
    def parts(self, request: Request, pk: str) -> Response:
        return Response({})

    @action(detail=False, permission_classes=[permissions.AllowAny])
    def open_to_all(self, request: Request) -> Response:
        return Response({})


@pytest.fixture
def operations() -> dict[str, Any]:
    router = SimpleRouter(trailing_slash=False)
    router.register("api/things", ThingViewSet, basename="thing")
    document = SchemaGenerator(patterns=router.urls).get_schema(request=None, public=True)
    content = document["components"]["responses"]["NotFound"]["content"]["application/problem+json"]
    assert content["schema"] == {"$ref": "#/components/schemas/Problem"}
    assert "Problem" in document["components"]["schemas"]
    return {operation["operationId"]: operation for item in document["paths"].values() for operation in item.values()}


@pytest.mark.filterwarnings("ignore")
def test_it_names_operations_by_view_and_action(operations):
    assert set(operations) == {
        "thing_list",
        "thing_destroy",
        "thing_parts_get",
        "thing_parts_put",
        "thing_open_to_all",
    }


@pytest.mark.filterwarnings("ignore")
def test_it_documents_refusals(operations):
    assert {"400", "401", "422", "500", "503"} <= set(operations["thing_list"]["responses"])
    assert "404" not in operations["thing_list"]["responses"]
    assert {"401", "403", "404", "409", "415"} <= set(operations["thing_destroy"]["responses"])
    assert "401" not in operations["thing_open_to_all"]["responses"]
    assert operations["thing_destroy"]["responses"]["404"] == {"$ref": "#/components/responses/NotFound"}
