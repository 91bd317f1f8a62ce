import json

import pytest

from integrations.refusals import error_of, refusal

HOSTS = ["chatgpt.com", "claude.ai", "grok.com", "v2.branchprompt.com", "gemini.google.com"]
CHATGPT = {"detail": {"code": "shared_conversation_deleted"}}
CLAUDE = {"type": "error", "error": {"type": "not_found_error", "message": "Not found"}, "request_id": "r"}
GROK = {"code": 3, "message": "Invalid uuid.", "details": []}
BRANCHPROMPT = {"error": "Conversation not found"}


def code(host: str, status: int, answer: object = b"", **headers: str) -> str:
    body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    error = refusal(host, status, {name.replace("_", "-"): value for name, value in headers.items()}, body)
    assert error.extra == {"status": status}
    return error.code


@pytest.mark.parametrize(
    ("host", "status", "answer"),
    [
        ("chatgpt.com", 404, CHATGPT),
        ("claude.ai", 404, CLAUDE),
        ("grok.com", 400, GROK),
        ("grok.com", 404, {"error": GROK}),
        ("grok.com", 400, {"error": "Invalid uuid."}),
        ("v2.branchprompt.com", 404, BRANCHPROMPT),
        ("v2.branchprompt.com", 404, {}),
    ],
)
def test_it_believes_a_deletion_on_the_exact_proof_of_the_site(host, status, answer):
    assert code(host, status, answer) == "gone"
    for other in set(HOSTS) - {host, "v2.branchprompt.com"}:
        assert code(other, status, answer) == "fetch_failed"
    for other_status in (500, 503, 410, 422):
        assert code(host, other_status, answer) == "fetch_failed"
    assert code(host, 403, answer) == "private_or_login"


@pytest.mark.parametrize(
    ("host", "answer"),
    [
        ("chatgpt.com", {"detail": "shared_conversation_deleted"}),
        ("chatgpt.com", {"detail": {"code": "other"}}),
        ("chatgpt.com", {"code": "shared_conversation_deleted"}),
        ("chatgpt.com", ["shared_conversation_deleted"]),
        ("chatgpt.com", {"detail": {"code": ["shared_conversation_deleted"]}}),
        ("claude.ai", {"type": "error", "error": {"type": "permission_error"}}),
        ("claude.ai", {"error": {"type": "not_found_error"}}),
        ("claude.ai", {"type": "error", "error": "not_found_error"}),
        ("grok.com", {"message": "Not found"}),
        ("grok.com", ["Invalid uuid."]),
        ("v2.branchprompt.com", b"<html>404</html>"),
        ("v2.branchprompt.com", [BRANCHPROMPT]),
        ("gemini.google.com", BRANCHPROMPT),
    ],
)
def test_it_does_not_believe_a_deletion_on_less(host, answer):
    assert code(host, 404, answer) == "fetch_failed"


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("body", [b"", b"not here", b"\xff", b"[" * 60_000, b"null", b"{", b"<html>404</html>"])
def test_it_does_not_believe_a_deletion_without_a_word_of_the_api(host, body):
    assert code(host, 404, body) == "fetch_failed"


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, "fetch_failed"),
        (401, "private_or_login"),
        (403, "private_or_login"),
        (410, "fetch_failed"),
        (429, "rate_limited"),
        (500, "fetch_failed"),
        (503, "fetch_failed"),
    ],
)
def test_it_takes_a_refusal_for_what_it_proves_and_no_more(host, status, expected):
    assert code(host, status, b"a page") == expected


@pytest.mark.parametrize("host", HOSTS)
def test_it_tells_a_bot_check_from_a_private_chat(host):
    assert code(host, 403, b"", cf_mitigated="challenge") == "bot_challenge"
    for mark in (b"<title>Just a moment...</title>", b"window._cf_chl_opt={}", b'src="/cdn-cgi/challenge-platform/x"'):
        assert code(host, 403, b"<html>" + mark) == code(host, 503, mark) == "bot_challenge"
    assert code(host, 404, json.dumps(CHATGPT).encode() + b"_cf_chl_opt") == "bot_challenge"


OUTCOMES = "gone private_or_login bot_challenge rate_limited format_changed too_large timeout fetch_failed"


@pytest.mark.parametrize("outcome", [*OUTCOMES.split(), "unsupported_url"])
def test_it_says_what_to_do_instead(outcome):
    detail = error_of(outcome).detail
    assert "paste" in detail
    assert len(detail) < 400
    if outcome not in ("gone", "too_large"):
        assert "copy snippet" in detail
        assert "upload" in detail
