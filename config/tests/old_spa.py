"""The SPA of the system before this one, as far as its server can tell: what it sends, and how it reads what comes."""

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from uuid import uuid4

import httpx2
from aiohttp import web
from django.contrib.auth.models import Permission
from django.db import connection

from accounts.services import issue_login_link
from accounts.tests.fake_google import CLIENT_ID, CLIENT_SECRET, FakeGoogle
from config.tests.stack import Stack, empty_database
from conftest import make_user
from integrations.llm.events import StopReason
from integrations.tests.fake_anthropic import FakeAnthropic
from integrations.tests.fake_services import FakeMem0, FakeSummarizer
from integrations.tests.fixtures import chatgpt
from integrations.tests.loopback import LoopbackServer

ORIGIN = "http://localhost:3000"
CREDENTIALS = {"access-control-allow-origin": ORIGIN, "access-control-allow-credentials": "true"}
ALICE = "alice@example.org"
TALK = [("user", "Which beans climb?"), ("assistant", "Runner beans do.")]
GONE = b'{"detail": {"code": "shared_conversation_deleted"}}'
OPENAI = {"llm_provider": "openai", "llm_model": "gpt-4o"}
SMALL = {"llm_provider": "openai", "llm_model": "gpt-3.5-turbo"}
IN_WORDS = {"int": int, "str": str, "bool": bool, "float": float, "list": list, "dict": dict}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00")

USER = "id int, email str, name str"
ROW = (
    "id int, url str, title str, import_date ts, created_at ts, updated_at ts, is_locked bool, user_id int, "
    "user_name str, user_email str, project_draft_title str?, project_draft_description str?, linear_url str?, "
    "last_user_message_content str?, last_assistant_message_content str?"
)
CONVERSATION = (
    "id int, url str, title str, import_date ts, created_at ts, updated_at ts, is_locked bool, has_images bool, "
    "has_pdfs bool, user_id int, user_name str, user_email str, imported_chat list?"
)
VERSION = "version_id int, title str, description str, is_manual_edit bool, version_number int, created_at ts"
DRAFT = "project_draft_id int, conversation_id int, active_version dict?, created_at ts, updated_at ts"
FILE = "id int, filename str, file_size int, file_type str, s3_key str, created_at ts"
MESSAGE = (
    "role str, content str, sequence_number int, created_at ts, sent_by_user_id int, sent_by_user_name str, "
    "sent_by_user_email str, attachments list"
)
PROJECT = (
    "id int, conversation_id int, linear_project_id str, title str, description str, linear_url str, created_at ts"
)
MODEL = "id str, provider str, label str, supports_images bool, supports_pdfs bool, context_window_tokens int"
HIT = (
    "id int, content_type str, content_snippet str, score float, created_at ts, conversation_id int, "
    "conversation_title str, created_by_user_name str, created_by_user_email str"
)

Line = dict[str, Any]


def check(value: dict[str, Any], fields: str) -> None:
    """`value` has these fields, each of its type; `ts` is a point in time, and `?` says that it may be null."""
    for field in fields.split(", "):
        name, kind = field.split()
        found = value[name]
        if kind.endswith("?") and found is None:
            continue
        kind = kind.removesuffix("?")
        if kind == "ts":
            assert TIME.fullmatch(found), field
        else:
            assert type(found) is IN_WORDS[kind], field


def check_draft(draft: dict[str, Any]) -> dict[str, Any]:
    """The draft's active version."""
    check(draft, DRAFT)
    check(draft["active_version"], VERSION)
    version: dict[str, Any] = draft["active_version"]
    return version


class Spa:
    """One tab: calls with credentials and an Origin, never with a token, and what it needs of every answer."""

    def __init__(self, url: str, cookie: str = "") -> None:
        headers = {"Origin": ORIGIN, "Referer": f"{ORIGIN}/", "Sec-Fetch-Site": "same-site"}
        cookies = {"session_token": cookie} if cookie else {}
        self.http = httpx2.Client(base_url=f"{url}/api", headers=headers, cookies=cookies, timeout=20, trust_env=False)

    def ask(self, method: str, path: str, body: Any = None, **options: Any) -> httpx2.Response:
        """The answer, whatever it is; it can be read by the page's scripts and is never taken from a cache."""
        answer = self.http.request(method, path, json=body, **options)
        assert CREDENTIALS.items() <= dict(answer.headers).items()
        assert "no-cache" in answer.headers["cache-control"] or "no-store" in answer.headers["cache-control"]
        return answer

    def call(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        """The JSON of an answer that went well."""
        answer = self.ask(method, path, body, **options)
        assert answer.status_code == 200, answer.text
        document = answer.json()
        assert "error" not in document
        return document

    def refused(self, status: int, method: str, path: str, body: Any = None, **options: Any) -> str:
        """What the SPA shows of an answer that did not."""
        answer = self.ask(method, path, body, **options)
        assert answer.status_code == status, answer.text
        error = answer.json()["error"]
        assert isinstance(error, str) and error
        return error

    def lines(self, path: str, body: Any) -> Iterator[Line]:
        """Each line of a stream as it comes, read as the SPA reads; after the last one nothing follows."""
        headers = {"Accept": "text/event-stream"}
        with self.http.stream("POST", path, json=body, headers=headers) as response:
            assert response.status_code == 200, response.read()
            assert response.headers["content-type"] == "text/event-stream"
            assert CREDENTIALS.items() <= dict(response.headers).items()
            rest = ""
            for chunk in response.iter_bytes():
                *whole, rest = (rest + chunk.decode()).split("\n")  # each chunk by itself: no character may be cut
                yield from (json.loads(line) for line in whole if line.strip())
            assert rest == ""

    def stream(self, path: str, body: Any) -> list[Line]:
        return list(self.lines(path, body))

    def import_link(self, url: str, resolution: str = "prompt", **fields: Any) -> list[Line]:
        body = {"url": url, "duplicate_resolution": resolution, "accept_summarization": False, **OPENAI}
        return self.stream("/conversations/import", body | fields)

    def say(self, conversation: int, message: str, **fields: Any) -> list[Line]:
        body = {"message": message, "attachment_ids": [], **OPENAI} | fields
        return self.stream(f"/conversations/{conversation}/project-draft/chat/stream", body)

    def draft(self, conversation: int) -> dict[str, Any]:
        """The active version."""
        return check_draft(self.call("GET", f"/conversations/{conversation}/project-draft")["project_draft"])


def told(lines: list[Line]) -> list[Any]:
    """The lines in short: statuses and states with their word, any number of pieces of text as one `content`."""
    short: list[Any] = []
    for line in lines:
        assert isinstance(line["data"], str) or line["type"] not in {"status", "state", "content", "error"}
        word = f"{line['type']} {line['data']}" if line["type"] in {"status", "state"} else line["type"]
        if word != "content" or short[-1:] != ["content"]:
            short.append(word)
    return short


def text_of(lines: list[Line]) -> str:
    return "".join(line["data"] for line in lines if line["type"] == "content")


class OldSpaServer:
    """A server as an installation sets it up for the old SPA, and the world around it."""

    def __init__(self, stack: Stack, mem0: FakeMem0, summarizer: FakeSummarizer) -> None:
        self.stack, self.url, self.outside = stack, stack.url, stack.outside
        self.mem0, self.summarizer = mem0, summarizer
        self.alice = self.spa()

    def spa(self, email: str = ALICE) -> Spa:
        return Spa(self.url, self.stack.cookie_for(email))

    def login_link(self) -> str:
        return f"{self.url}/api/auth/login-link/{issue_login_link(user=make_user(ALICE))}"

    def shared(self, *turns: tuple[str, str], title: str = "Garden plan") -> str:
        """The link of a chat that was just shared."""
        share_id = str(uuid4())
        messages = [chatgpt.message(role, text) for role, text in turns or TALK]
        page = chatgpt.conversation(*messages, title=title, conversation_id=share_id)
        self.put(share_id, 200, json.dumps(page).encode())
        return f"https://chatgpt.com/share/{share_id}"

    def put(self, share_id: str, status: int, body: bytes) -> None:
        for path in (f"/backend-api/share/{share_id}", f"/share/{share_id}"):
            self.outside.pages[path] = (status, body)

    def imported(self, *turns: tuple[str, str], title: str = "Garden plan") -> int:
        """The id of a conversation with a draft."""
        lines = self.alice.import_link(self.shared(*turns, title=title))
        return int(lines[-1]["data"]["conversation"]["id"])


async def anthropic(request: web.Request) -> web.StreamResponse:
    """Says a word; asked to "update the draft", it calls that tool first."""
    body = await request.json()
    fake, asked = FakeAnthropic(), json.dumps(body["messages"][-1])
    calls: tuple[bytes, ...] = ()
    reason: StopReason = "stop"
    if "update the draft" in asked and "tool_result" not in asked:
        arguments = json.dumps({"title": "A sharper title", "description": "Measure it."})
        calls, reason = fake.call(0, "call_1", "update_project_draft", arguments), "tool_calls"
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    for write in (*fake.head(), fake.said("Certainly."), *calls, *fake.finish(reason)):
        await response.write(write)
    return response


@contextmanager
def serving(stack: Stack) -> Iterator[OldSpaServer]:
    """All processes in place of the usual ones, on an empty database; alice may change prompts and default models."""
    mem0, summarizer = FakeMem0(), FakeSummarizer()
    mem0.hits = [{"id": "m1", "memory": "They like green.", "score": 0.9}]
    with ExitStack() as outside:
        urls = [outside.enter_context(LoopbackServer(fake)).url for fake in (mem0, summarizer, anthropic)]
        google = outside.enter_context(FakeGoogle())
        for name in ("web", "runner"):
            if stack.is_running(name):
                stack.kill(name)
        stack.more_environment = _environment(stack, google, *urls)
        empty_database()
        stack.outside.begin_anew()
        alice = make_user(ALICE)
        alice.user_permissions.set(Permission.objects.filter(content_type__app_label="llmconfig"))
        stack.start_workers()
        stack.start()
        yield OldSpaServer(stack, mem0, summarizer)
        stack.keep_only()
        stack.more_environment = {}
        connection.close()
        empty_database()


def _environment(stack: Stack, google: FakeGoogle, mem0: str, summarizer: str, anthropic_url: str) -> dict[str, str]:
    return {
        "STREAM_DIALECT": "ndjson",
        "TOOL_APPROVAL": "auto",
        "FRONTEND_URL": ORIGIN,
        "CORS_ORIGINS": "",
        "XAI_API_KEY": "xai-test",
        "XAI_BASE_URL": stack.outside.openai_url,
        "ANTHROPIC_API_KEY": "sk-ant-test",
        "ANTHROPIC_BASE_URL": anthropic_url,
        "MEM0_API_URL": mem0,
        "MEM0_USER_ID": "team",
        "METACOGNITION_API_URL": summarizer,
        "GOOGLE_CLIENT_ID": CLIENT_ID,
        "GOOGLE_CLIENT_SECRET": CLIENT_SECRET,
        "GOOGLE_ENDPOINTS": ",".join(f"{name}={url}" for name, url in google.endpoints.items()),
    }
