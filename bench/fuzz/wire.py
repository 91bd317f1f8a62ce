"""Sends a generated case and reads what comes back: all of an ordinary answer, and of a stream its beginning."""

from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
from schemathesis import Case, Response

from bench.fuzz.aim import Files
from bench.fuzz.events import STREAMS

SECONDS = 20.0  # for the head of an answer
SILENCE = 0.4  # after which a stream waits for somebody, or for a slow model
EVENTS = 6
LAST_EVENTS = (b'"type":"done"', b'"type":"error"', b'"type":"approval_required"', b'"type":"cancelled"')
UNSENDABLE = (requests.exceptions.InvalidHeader, requests.exceptions.InvalidURL, requests.exceptions.MissingSchema,
              UnicodeError)  # fmt: skip


class Wire:
    """One connection to a server, that keeps no cookies."""

    def __init__(self) -> None:
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))

    def send(self, case: "Case[Any]", url: str, headers: dict[str, str], files: Files) -> Response | None:
        """The answer; None if HTTP has no way to say what was generated. Raises `requests.RequestException`."""
        try:
            arguments = case.as_transport_kwargs(base_url=url, headers=headers)
            if files and isinstance(arguments.get("files"), list):
                arguments["files"] = files
            request = self._session.prepare_request(requests.Request(**arguments))
        except UNSENDABLE:
            return None
        with self._session.send(request, stream=True, timeout=SECONDS, allow_redirects=False) as answer:
            is_stream = answer.headers.get("Content-Type", "").startswith(STREAMS)
            content = _beginning(answer, is_silent=_is_silent_at_first(request)) if is_stream else answer.content
            return Response(
                status_code=answer.status_code,
                headers={name: [value] for name, value in answer.headers.items()},
                content=content,
                request=request,
                elapsed=answer.elapsed.total_seconds(),
                verify=False,
                message=answer.reason,
                encoding=answer.encoding,
                stream_cut_short=is_stream,
            )


def _is_silent_at_first(request: requests.PreparedRequest) -> bool:
    """Whether the stream is asked for in the old dialect, which says nothing before its first event."""
    return any("ndjson" in str(asked) for asked in (request.url, request.headers.get("Accept")))


def _beginning(answer: requests.Response, *, is_silent: bool) -> bytes:
    """The first events of a stream: until it ends, has nothing more to tell, or there are enough of them."""
    content = b""
    _expect_more_within(SILENCE, answer)
    try:
        for chunk in answer.iter_content(chunk_size=None):
            content += chunk
            if content.count(b"data:") >= EVENTS or any(event in content for event in LAST_EVENTS):
                break
    except requests.ConnectionError:
        if not content and not is_silent:  # other streams say something at once
            raise
    return content


def _expect_more_within(seconds: float, answer: requests.Response) -> None:
    connection = answer.raw.connection
    if connection is not None and connection.sock is not None:
        connection.sock.settimeout(seconds)
