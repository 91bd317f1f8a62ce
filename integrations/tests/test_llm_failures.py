"""What every provider does when its vendor fails, whatever the wire."""

import asyncio
import traceback
from collections.abc import AsyncIterator

import pytest

from integrations.llm.errors import (
    AuthenticationFailed,
    ContextTooLong,
    Interrupted,
    NotConfigured,
    ProviderRefused,
    ProviderUnavailable,
    RateLimited,
    UnknownModel,
)
from integrations.llm.events import Finished, LLMEvent, TextDelta, Usage
from integrations.llm.retry import stream_with_retry
from integrations.tests.fake_model import FakeModel, Reply, refused
from integrations.tests.llm_cases import CASES, Conversation, conversation


@pytest.fixture(params=CASES)
async def talk(request: pytest.FixtureRequest) -> AsyncIterator[Conversation]:
    async with conversation(request.param) as made:
        yield made


async def retried(talk: Conversation) -> list[LLMEvent]:
    return [event async for event in stream_with_retry(talk.provider, talk.request(), backoff=0.01)]


# ── Before anything was said ──────────────────────────────────────────────────────────────────────────────────────────


async def test_it_answers_after_two_refusals(talk):
    talk.fake.replies(refused(429), refused(429), talk.fake.text("Hello"))
    assert await retried(talk) == [TextDelta("Hello"), Usage(7, 1, 3), Finished("stop")]
    assert len(talk.fake.requests) == 3


async def test_it_gives_up_on_a_vendor_that_stays_overloaded(talk):
    talk.fake.replies(refused(529, "overloaded_error"))
    with pytest.raises(ProviderUnavailable):
        await retried(talk)
    assert len(talk.fake.requests) == 3


REFUSALS = [
    (refused(400, "context_length_exceeded"), ContextTooLong, False),
    (
        refused(400, "invalid_request_error", "prompt is too long: 208310 tokens > 200000 maximum"),
        ContextTooLong,
        False,
    ),
    (refused(400, "", "This model's maximum prompt length is 131072."), ContextTooLong, False),
    (refused(413, "request_too_large"), ContextTooLong, False),
    (refused(401, "authentication_error"), AuthenticationFailed, False),
    (refused(403), AuthenticationFailed, False),
    (refused(400, "", "Incorrect API key provided: xa***"), AuthenticationFailed, False),
    (refused(404, "not_found_error"), UnknownModel, False),
    (refused(400, "invalid_request_error"), ProviderRefused, False),
    (refused(422), ProviderRefused, False),
    (refused(300), ProviderRefused, False),
    (refused(429, "insufficient_quota"), ProviderRefused, False),
    (refused(400, "invalid_request_error", "Your credit balance is too low."), ProviderRefused, False),
    (refused(429, "rate_limit_error"), RateLimited, True),
    (Reply((b"<html>busy</html>",), 502), ProviderUnavailable, True),
    *((refused(status), ProviderUnavailable, True) for status in (408, 500, 503, 504, 529)),
]


async def test_it_turns_a_refusal_into_one_of_our_errors_after_one_request(talk):
    for number, (reply, kind, is_retryable) in enumerate(REFUSALS, start=1):
        talk.fake.replies(reply)
        said, error = await talk.broken()
        assert (reply.status, said, type(error), error.retryable) == (reply.status, "", kind, is_retryable)
        assert len(talk.fake.requests) == number


async def test_it_never_repeats_what_the_vendor_says(talk):
    talk.fake.replies(refused(401))
    _, error = await talk.broken()
    assert talk.provider.name in error.message
    assert "sk-secret" not in "".join(traceback.format_exception(error))


@pytest.mark.parametrize("status", [429, 529])
async def test_it_reads_how_long_to_wait(talk, status):
    talk.fake.replies(refused(status, retry_after="7"))
    _, error = await talk.broken()
    assert error.retry_after == 7.0


async def test_it_knows_a_refusal_whose_text_breaks_off(talk):
    talk.fake.replies(Reply((b'{"error"',), 429, ending="cut"))
    _, error = await talk.broken()
    assert type(error) is RateLimited


async def test_it_is_unavailable_when_nobody_listens(talk):
    await talk.fake.__aexit__()
    said, error = await talk.broken()
    assert (said, type(error)) == ("", ProviderUnavailable)


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 999999 what\r\n\r\n", b"\x16\x03\x01\x02", b"y" * 200_000])
async def test_it_is_unavailable_when_no_http_comes_back(talk, answer):
    async def answered(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(answered, "127.0.0.1", 0)
    made = talk.case.provider("stray", "sk", f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    with pytest.raises(ProviderUnavailable):
        await anext(made.stream(talk.request()))
    await made.aclose()
    server.close()


@pytest.mark.parametrize(
    ("key", "address"),
    [("sk-ключ", "http://127.0.0.1:1/v1"), ("sk-a", "http://127.0.0.1:port/v1"), ("sk-a", "127.0.0.1/v1")],
)
async def test_it_says_that_a_key_or_an_address_is_mistyped(talk, key, address):
    mistyped = talk.case.provider("mistyped", key, address)
    with pytest.raises(NotConfigured) as caught:
        await anext(mistyped.stream(talk.request()))
    assert key not in caught.value.message


# ── In the middle ─────────────────────────────────────────────────────────────────────────────────────────────────────

FAULTS = {
    "a cut": Reply(ending="cut"),
    "silence": Reply((b": ping\n\n",), ending="hang"),
    "an end without a reason": Reply(),
    "only [DONE]": Reply((b"data: [DONE]\n\n",)),
    "garbage": Reply((b"data: {nonsense\n\n",)),
    "a page": Reply((b"<html>502</html>",)),
    "no object": Reply((b"data: [1]\n\n",)),
    "deep nesting": Reply((b"data: " + b"[" * 100_000 + b"\n\n",)),
    "a line without an end": Reply((b"data: " + b"x" * 5_000_000,)),
}


def faulty(fake: FakeModel, fault: str, *before: bytes) -> Reply:
    """`before`, then the fault, then what would have been a proper end."""
    reply = FAULTS[fault]
    after = () if reply.ending != "close" or fault.startswith(("an end", "only")) else fake.finish("stop")
    return Reply((*before, *reply.writes, *after), ending=reply.ending)


BREAKING = ["a cut", "silence", "an end without a reason", "only [DONE]", "garbage", "no object", "deep nesting"]


@pytest.mark.parametrize("fault", [*BREAKING, "a line without an end"])
async def test_it_interrupts_an_answer_that_breaks_after_text(talk, fault):
    talk.fake.replies(faulty(talk.fake, fault, *talk.fake.head(), talk.fake.said("So")))
    said, error = await talk.broken()
    assert (said, type(error), error.retryable) == ("So", Interrupted, True)


@pytest.mark.parametrize("fault", BREAKING)
async def test_it_is_unavailable_when_an_answer_breaks_before_anything_was_seen(talk, fault):
    talk.fake.replies(faulty(talk.fake, fault, *talk.fake.head()))
    said, error = await talk.broken()
    assert (said, type(error), error.retryable) == ("", ProviderUnavailable, True)


async def test_it_is_unavailable_when_a_page_comes_instead_of_a_stream(talk):
    talk.fake.replies(FAULTS["a page"])
    said, error = await talk.broken()
    assert (said, type(error)) == ("", ProviderUnavailable)


async def test_it_may_be_asked_again_when_the_vendor_fails_before_anything_was_seen(talk):
    talk.fake.replies(Reply((*talk.fake.head(), talk.fake.failed("overloaded_error"))), talk.fake.text("Hello"))
    assert (await retried(talk))[0] == TextDelta("Hello")
    assert len(talk.fake.requests) == 2


async def test_it_is_interrupted_when_the_vendor_fails_after_text(talk):
    talk.fake.replies(Reply((*talk.fake.head(), talk.fake.said("So"), talk.fake.failed("overloaded_error"))))
    said, error = await talk.broken()
    assert (said, type(error)) == ("So", Interrupted)
    assert "sk-secret" not in "".join(traceback.format_exception(error))


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("context_length_exceeded", ContextTooLong),
        ("invalid_request_error", ProviderRefused),
        ("rate_limit_exceeded", RateLimited),
        ("server_error", ProviderUnavailable),
        ("503", ProviderUnavailable),
    ],
)
async def test_it_knows_what_the_vendor_complains_of_in_the_stream(talk, code, kind):
    talk.fake.replies(Reply((*talk.fake.head(), talk.fake.failed(code))))
    said, error = await talk.broken()
    assert (said, type(error)) == ("", kind)


@pytest.mark.parametrize("ending", ["cut", "hang"])
async def test_it_counts_an_answer_as_finished_whatever_follows_the_reason(talk, ending):
    talk.fake.replies(Reply(talk.fake.text("So").writes, ending=ending))
    assert await talk.collect() == [TextDelta("So"), Usage(7, 1, 3), Finished("stop")]
