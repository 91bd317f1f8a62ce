"""The page at `/`, used in a real browser."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import transaction
from playwright.sync_api import Browser, Dialog, FilePayload, Locator, Page, Route, expect

from chat import extraction
from chat.models import FileAttachment
from config.limits import UPLOAD_BYTES
from config.tests.making import make_turn
from config.tests.stack import chat_path, said
from conversations.models import Conversation
from drafts.models import ProjectDraft
from integrations.storage import file_storage
from integrations.tests.fixtures.archives import chat, export, zipped
from integrations.tests.fixtures.files import image, pdf
from search.tests.index import index_all

CHAT = "User: I want to build a bird feeder.\n\nAssistant: Good. Steps:\n\n- buy cedar\n- cut it"
ANSWER = "".join(f"w{number} " for number in range(60)).strip()
SLOWLY = "[[words=60 delay_ms=40]]"
DEMO = '{"llm_provider":"demo","llm_model":"demo-1"}'
POLICY = "default-src 'self'; base-uri 'none'; form-action 'none'"


class Opened:
    """A page of its own in the browser, with what it complained about in `complaints`."""

    def __init__(self, browser: Browser, url: str, *, cookie: str = "", width: int = 1280, dark: bool = False) -> None:
        self.url, self.complaints = url, list[str]()
        scheme: Any = "dark" if dark else "light"
        self.context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
        if cookie:
            self.context.add_cookies([{"name": "session_token", "value": cookie, "url": url}])
        self.page: Page = self.context.new_page()
        self.page.route(f"{url}/", _with_policy)
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto(f"{url}/")

    def __call__(self, selector: str) -> Locator:
        return self.page.locator(selector)

    def import_text(self, text: str = CHAT, *, model: str = "") -> None:
        if model:
            self("#import-model").select_option(model)
        self("#import-text").fill(text)
        self("#import-button").click()

    def imported(self, text: str = CHAT, *, model: str = "") -> int:
        """Imports `text`; the id of the conversation that is open then."""
        self.import_text(text, model=model)
        self.page.wait_for_url(re.compile("#/c/"))
        expect(self("#draft-text h2")).to_be_visible()
        return int(self.page.url.rpartition("/")[2])

    def say(self, text: str, *, model: str = "") -> None:
        if model:
            self("#model").select_option(model)
        self("#message").fill(text)
        self("#message").press("Control+Enter")

    def is_too_wide(self) -> bool:
        return bool(self.page.evaluate("document.documentElement.scrollWidth > innerWidth"))


def _with_policy(route: Route) -> None:
    """The page as an installation with the strictest content policy would send it."""
    response = route.fetch()
    route.fulfill(response=response, headers={**response.headers, "content-security-policy": POLICY})


@pytest.fixture
def opened(browser: Browser, stack: Any) -> Iterator[Opened]:
    opened = Opened(browser, stack.url, cookie=stack.cookie_for("alice@example.org"))
    yield opened
    opened.context.close()
    assert opened.complaints == []


def test_it_drafts_a_pasted_chat_takes_a_change_and_brings_the_first_version_back(opened: Opened, stack: Any) -> None:
    opened.import_text(f"{CHAT} {SLOWLY}")
    expect(opened("#run-status")).to_have_text("Writing the draft…")
    expect(opened("#run-text h2")).to_have_text("Made up")
    expect(opened("#run-text")).to_contain_text("w1")  # while the rest is still being written
    expect(opened("#run-text")).not_to_contain_text("description")
    opened.page.wait_for_url(re.compile("#/c/"))
    expect(opened("#draft-text")).to_have_text(f"Made up{ANSWER}")

    opened.say("Please update the draft")
    expect(opened("#draft-text h2")).to_have_text("A sharper title")
    expect(opened(".message.assistant")).to_contain_text("w4")
    opened("#versions-label").click()
    expect(opened("#version-list li")).to_have_count(2)
    opened("#version-list li").last.get_by_role("button", name="View").click()
    expect(opened("#draft-text h2")).to_have_text("Made up")
    expect(opened("#draft-earlier")).to_contain_text("This is version 1, not the current one.")
    opened("#draft-earlier").get_by_role("button", name="Bring back").click()
    expect(opened("#versions-label")).to_have_text("Versions (3)")
    expect(opened("#draft-text h2")).to_have_text("Made up")
    assert [version["title"] for version in stack.client().versions(1)] == ["Made up", "A sharper title", "Made up"]


def test_it_imports_a_dropped_file(opened: Opened) -> None:
    transfer = opened.page.evaluate_handle(
        """text => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([text], "feeder.md", {type: "text/markdown"}));
            return transfer;
        }""",
        CHAT,
    )
    opened("#drop-zone").dispatch_event("drop", {"dataTransfer": transfer})
    expect(opened("#file-name")).to_have_text("feeder.md")
    opened("#import-button").click()
    expect(opened("#draft-text h2")).to_have_text("Made up")
    opened("#imported-label").click()
    expect(opened("#imported-messages .message")).to_have_count(2)
    expect(opened("#imported-messages")).to_contain_text("I want to build a bird feeder.")


def test_it_takes_what_is_chosen_from_an_archive(opened: Opened, stack: Any) -> None:
    stack.start_bulk()
    data = json.loads(export(1, 2, 3)) + [{**chat(4), "mapping": {}, "current_node": None}]
    archive = zipped({"conversations.json": json.dumps(data).encode()})
    file: Any = {"name": "export.zip", "mimeType": "application/zip", "buffer": archive}
    opened("#import-file").set_input_files(file)
    opened("#import-button").click()
    expect(opened("#archive-status")).to_contain_text("4 conversations. 1 of them cannot be read.", timeout=30_000)
    expect(opened("#archive-name")).to_have_text("export.zip")
    expect(opened("#archive-entries li")).to_have_count(4)
    expect(opened("#entry-3 input")).to_be_disabled()
    opened("#archive-start").click()
    expect(opened("#archive-error")).to_have_text("Choose at least one conversation.")
    opened("#entry-1 input").check()
    opened("#archive-start").click()
    expect(opened("#archive-status")).to_have_text("Done: 1 imported.", timeout=30_000)
    expect(opened("#entry-1 .tag")).to_have_text("imported")
    expect(opened("#conversations .title")).to_have_text("Chat 2")
    opened("#archive-all").check()
    opened("#archive-start").click()
    expect(opened("#archive-status")).to_have_text("Done: 2 imported, 1 left as it was, 1 nothing new.", timeout=30_000)
    assert not opened.is_too_wide()
    opened("#archive-delete").click()
    expect(opened("#import-view")).to_be_visible()
    assert stack.client().get("/api/imports").json() == {"imports": []}
    assert opened.complaints.pop().endswith("422 (Unprocessable Entity)")  # the browser, of the file with several


def test_it_says_what_is_wrong_with_an_archive(opened: Opened, stack: Any) -> None:
    stack.start_bulk()
    archive = stack.client().http.post("/api/imports", files={"file": ("photos.zip", zipped({"a.jpg": b""}))}).json()
    opened.page.goto(f"{opened.url}/#/a/{archive['id']}")
    expect(opened("#archive-status")).to_contain_text("holds no conversations that can be read", timeout=30_000)
    expect(opened("#archive-form")).to_be_hidden()


def test_it_imports_a_link(opened: Opened, stack: Any) -> None:
    opened.import_text("https://chatgpt.com/share/68d1f0a2-0000-8000-8000-000000000000")
    expect(opened("#run-questions p").first).to_be_visible()
    assert stack.outside.paths[-1].startswith("/share/68d1f0a2")
    assert [run["conversation_id"] for run in stack.client().get("/api/runs").json()["runs"]] == [None]
    opened("#run-questions").get_by_text("Back to the form").click()
    expect(opened("#import-text")).to_have_value(re.compile("chatgpt.com/share"))


def test_it_rejoins_an_import_after_a_reload(opened: Opened) -> None:
    opened.import_text(f"{CHAT} {SLOWLY}")
    expect(opened("#run-text")).to_contain_text("w3")
    opened.page.reload()
    expect(opened("#run-text")).to_contain_text("w1")
    opened.page.wait_for_url(re.compile("#/c/"))
    expect(opened("#draft-text")).to_contain_text(ANSWER)


def test_it_rejoins_an_answer_after_a_reload(opened: Opened, stack: Any) -> None:
    conversation = opened.imported()
    opened.say(SLOWLY)
    expect(opened(".message.live")).to_contain_text("w5")
    opened.page.reload()
    expect(opened(".message.live")).to_contain_text("w1")
    expect(opened("#chat-stop")).to_be_visible()
    expect(opened(".message.assistant:not(.live) .prose")).to_have_text(ANSWER)
    assert stack.client().history(conversation)[1]["content"].strip() == ANSWER
    expect(opened("#chat-send")).to_be_visible()


def test_it_rejoins_by_itself_when_the_web_server_was_killed(opened: Opened, stack: Any) -> None:
    opened.imported()
    opened.say(SLOWLY)
    expect(opened(".message.live")).to_contain_text("w5")
    stack.kill("web")
    expect(opened("#chat-status")).to_have_text("Reconnecting…")
    stack.start()
    expect(opened(".message.assistant:not(.live) .prose")).to_have_text(ANSWER, timeout=15_000)
    assert all("ERR_" in complaint for complaint in opened.complaints)  # the browser's own word for a missing server
    opened.complaints.clear()


def test_it_keeps_what_was_written_when_it_is_told_to_stop(opened: Opened, stack: Any) -> None:
    conversation = opened.imported()
    opened.say("[[words=500 delay_ms=40]]")
    expect(opened(".message.live")).to_contain_text("w5")
    opened("#chat-stop").click()
    expect(opened(".message.assistant .note")).to_contain_text("Stopped. This is what had been written.")
    expect(opened(".message.assistant .prose")).to_contain_text("w5")
    expect(opened("#chat-send")).to_be_enabled()
    assert stack.client().history(conversation)[1]["run"]["state"] == "cancelled"


def test_it_says_that_there_was_no_answer_and_has_it_written_again(opened: Opened, stack: Any) -> None:
    conversation = opened.imported()
    stack.outside.refuse_everything = True
    opened.say("Hello")
    expect(opened("#chat-error")).to_be_visible()
    stack.outside.refuse_everything = False
    opened("#messages").get_by_role("button", name="Write it again").click()
    expect(opened(".message.assistant")).to_contain_text("w4")
    expect(opened("#messages .note")).to_have_count(0)
    assert [message["role"] for message in stack.client().history(conversation)] == ["user", "assistant"]


def test_it_asks_before_the_model_acts_and_does_what_was_decided(opened: Opened, stack: Any) -> None:
    conversation = opened.imported()
    opened.say("Please ring the bell")
    question = opened(".question")
    expect(question).to_contain_text("ring the bell")
    expect(question).to_contain_text('"times": 3')
    opened.page.reload()
    expect(question).to_be_visible()
    question.get_by_role("button", name="Allow").click()
    expect(opened("#draft-text h2")).to_have_text("Rung 3 times")
    expect(question).to_have_count(0)
    expect(opened("#chat-send")).to_be_visible()
    opened.say("Please ring the bell again, ring the bell")
    question.get_by_role("button", name="Refuse").click()
    expect(opened(".message.assistant")).to_have_count(2)
    expect(opened("#chat-send")).to_be_visible()
    assert len(stack.client().versions(conversation)) == 2


def test_it_makes_a_project_of_the_draft_and_shows_where_it_is(opened: Opened, stack: Any) -> None:
    opened.imported()
    questions: list[str] = []

    def refuse(dialog: Dialog) -> None:
        questions.append(dialog.message)
        dialog.dismiss()

    opened.page.once("dialog", refuse)
    opened("#project-create").click()
    expect(opened("#project-create")).to_be_enabled()
    assert "can't be changed any more" in questions[0]
    assert stack.outside.linear.operations == []

    opened.page.once("dialog", lambda dialog: dialog.accept())
    opened("#project-create").click()
    expect(opened("#project-link")).to_have_text("“Made up” in Linear")
    expect(opened("#locked")).to_be_visible()
    for hidden in ("#project-create", "#draft-edit", "#draft-write", "#composer", "#rename"):
        expect(opened(hidden)).to_be_hidden()
    opened.page.reload()
    url = next(iter(stack.outside.linear.projects.values()))["url"]
    expect(opened("#project-link")).to_have_attribute("href", url)


def test_it_locks_when_the_model_has_made_the_project(opened: Opened) -> None:
    opened.imported()
    opened.say("Please create the project")
    expect(opened(".question")).to_contain_text("create a project in Linear from the draft as it is now")
    opened(".question").get_by_role("button", name="Allow").click()
    expect(opened("#project-link")).to_be_visible()
    expect(opened("#composer")).to_be_hidden()
    expect(opened(".message.assistant")).to_contain_text("I created the project “Made up” in Linear")


def test_it_says_why_there_is_no_project(opened: Opened, stack: Any) -> None:
    stack.outside.linear.faults = ["refused"]
    opened.imported()
    opened.page.once("dialog", lambda dialog: dialog.accept())
    opened("#project-create").click()
    expect(opened("#draft-error")).to_contain_text("Linear refused this project. Nothing was created")
    expect(opened("#locked")).to_be_hidden()
    opened.complaints.clear()  # the browser's own line about the status 503


def test_it_offers_to_write_a_draft_that_failed(opened: Opened) -> None:
    opened.import_text(f"{CHAT} [[no_tags]]")
    expect(opened("#draft-text h2")).to_have_text("Failed to Generate Project Draft")
    opened("#model").select_option(DEMO)
    opened("#draft-write").click()
    expect(opened("#draft-text h2")).to_have_text("I want to build a bird feeder")


def test_it_asks_what_to_do_with_a_chat_that_is_here_already(opened: Opened) -> None:
    first = opened.imported()
    opened("#sidebar .button").click()
    opened.import_text()
    expect(opened("#run-questions")).to_contain_text("This chat has been imported before.")
    opened("#run-questions").get_by_role("button", name="Update it with these messages").click()
    opened.page.wait_for_url(re.compile(f"#/c/{first}$"))

    opened("#sidebar .button").click()
    opened.import_text()
    opened("#run-questions").get_by_role("button", name="Import as new").click()
    opened.page.wait_for_url(re.compile(f"#/c/{first + 1}$"))
    expect(opened("#conversations li")).to_have_count(2)


def test_it_goes_on_with_a_chat_that_is_too_long_when_told_to(opened: Opened) -> None:
    opened("#import-model").select_option(label="GPT-3.5 Turbo")
    opened.import_text("User: " + "a long story " * 1500)
    expect(opened("#run-questions")).to_contain_text("longer than GPT-3.5 Turbo can read at once")
    opened("#run-questions").get_by_role("button", name="Go on anyway").click()
    expect(opened("#draft-text h2")).to_have_text("Made up")


def test_it_edits_renames_and_deletes(opened: Opened, stack: Any) -> None:
    conversation = opened.imported()
    opened("#draft-edit").click()
    opened("#draft-title-input").fill("My own title")
    opened("#draft-description-input").fill("- **bold** and `code`\n  - inner\n\n[link](https://example.org)")
    opened("#draft-description-input").press("Control+Enter")
    expect(opened("#draft-text h2")).to_have_text("My own title")
    expect(opened("#draft-text ul ul")).to_have_text("inner")
    expect(opened("#draft-text a")).to_have_attribute("href", "https://example.org")

    opened("#rename").click()
    opened("#rename-input").fill("Feeders")
    opened("#rename-input").press("Enter")
    expect(opened("#conversation-title")).to_have_text("Feeders")
    expect(opened("#conversations .title")).to_have_text("Feeders")

    opened("#delete").click()
    expect(opened("#no-conversations")).to_be_visible()
    assert stack.client().get(f"/api/conversations/{conversation}").status_code == 404


def test_it_asks_whose_text_it_is_to_be_when_somebody_else_has_saved_meanwhile(opened: Opened, stack: Any) -> None:
    path, bob = f"/api/conversations/{opened.imported()}/project-draft", stack.client("bob@example.org")
    conflict = opened("#draft-conflict")
    opened("#draft-edit").click()
    opened("#draft-title-input").fill("Mine")
    save, keep = (opened.page.get_by_role("button", name=name) for name in ("Save as a new version", "Keep mine"))
    for title, press in (("By Bob", save), ("By Bob again", keep)):
        bob.patch(path, {"title": title, "description": "His"})
        press.click()
        expect(conflict).to_contain_text(f"“{title}”")
    keep.click()
    expect(opened("#draft-text h2")).to_have_text("Mine")
    opened("#draft-edit").click()
    expect(conflict).to_be_hidden()
    bob.patch(path, {"title": "Bob's last", "description": "His"})
    save.click()
    conflict.get_by_role("button", name="Take theirs").click()
    expect(opened("#draft-text h2")).to_have_text("Bob's last")
    titles = [version["title"] for version in bob.versions(1)]
    assert titles == ["Bob's last", "Mine", "By Bob again", "By Bob", "Made up"]
    assert ["412" in complaint for complaint in opened.complaints] == [True] * 3
    opened.complaints.clear()


def test_it_takes_a_deletion_back(opened: Opened, stack: Any) -> None:
    conversation = opened.imported()
    opened("#delete").click()
    expect(opened("#undo")).to_contain_text("is deleted. It can be restored until")
    expect(opened("#import-view")).to_be_visible()
    assert not opened.is_too_wide()
    opened.page.reload()
    opened("#undo").get_by_role("button", name="Undo").click()
    opened.page.wait_for_url(re.compile(f"#/c/{conversation}$"))
    expect(opened("#draft-text h2")).to_have_text("Made up")
    expect(opened("#conversations li")).to_have_count(1)
    expect(opened("#undo")).to_be_hidden()
    assert stack.client().get(f"/api/conversations/{conversation}").status_code == 200


def test_it_says_so_when_a_deletion_can_not_be_taken_back_any_more(opened: Opened) -> None:
    conversation = opened.imported()
    opened("#delete").click()
    expect(opened("#undo")).to_be_visible()
    Conversation.objects.get(pk=conversation).delete()
    opened("#undo").get_by_role("button", name="Undo").click()
    expect(opened("#notice")).to_have_text("There is no such conversation.")
    expect(opened("#undo")).to_be_hidden()
    assert ["404" in complaint for complaint in opened.complaints] == [True]
    opened.complaints.clear()


def test_it_shows_a_refusal_in_words(opened: Opened) -> None:
    opened.imported()
    opened("#draft-edit").click()
    opened("#draft-title-input").evaluate("input => input.removeAttribute('maxlength')")
    opened("#draft-title-input").fill("x" * 81)
    opened("#draft-form .primary").click()
    expect(opened("#draft-error")).to_have_text(re.compile("title: .*80 characters"))
    assert ["422" in complaint for complaint in opened.complaints] == [True]
    opened.complaints.clear()


def test_it_shows_what_a_model_writes_as_text(opened: Opened) -> None:
    attack = '<img src=x onerror="document.title=1"> [here](javascript:alert(1)) <b>**bold**</b>'
    opened.imported(f"User: {attack}\n\nAssistant: Well.", model=DEMO)
    expect(opened("#draft-text")).to_contain_text("<img src=x onerror=")
    opened.say(attack, model=DEMO)
    expect(opened(".message.assistant:not(.live)")).to_contain_text('<img src=x onerror="document.title=1">')
    expect(opened(".message.assistant strong").last).to_have_text("bold")
    assert opened("#draft-text img, #messages img, #messages b, main a[href^=javascript]").count() == 0
    assert opened.page.title() != "1"


def test_it_says_how_to_sign_in(browser: Browser, stack: Any) -> None:
    opened = Opened(browser, stack.url)
    expect(opened("#who")).to_have_text("Not signed in")
    expect(opened("#signed-out-view")).to_contain_text("manage.py login_link you@example.org")
    expect(opened("#sidebar")).to_be_hidden()
    assert opened.complaints == []
    opened.context.close()


def test_it_offers_google_where_that_is_configured(browser: Browser, stack: Any) -> None:
    opened = Opened(browser, stack.url)
    expect(opened("#google")).to_be_hidden()
    status = {"authenticated": False, "user": None, "google": True}
    opened.page.route("**/api/auth/status", lambda route: route.fulfill(json=status))
    opened.page.reload()
    expect(opened("#google a")).to_be_visible()
    expect(opened("#google a")).to_have_attribute("href", "/api/auth/login")
    expect(opened("#sign-in-error")).to_be_hidden()
    opened.context.close()


@pytest.mark.parametrize(
    ("why", "sentence"),
    [("oauth_error", "not allowed to say"), ("auth_failed", "ask an operator"), ("<b>x</b>", "ask an operator")],
)
def test_it_says_once_why_google_signed_nobody_in(browser: Browser, stack: Any, why: str, sentence: str) -> None:
    opened = Opened(browser, stack.url)
    opened.page.goto(f"{stack.url}/?error={why}")
    expect(opened("#sign-in-error")).to_contain_text(sentence)
    expect(opened.page).to_have_url(f"{stack.url}/")
    opened.page.reload()
    expect(opened("#signed-out-view")).to_be_visible()
    expect(opened("#sign-in-error")).to_be_hidden()
    assert opened.complaints == []
    opened.context.close()


def test_it_signs_out(opened: Opened, stack: Any) -> None:
    expect(opened("#who")).to_have_text("alice")
    opened("#sign-out").click()
    expect(opened("#signed-out-view")).to_be_visible()
    opened.page.reload()
    expect(opened("#signed-out-view")).to_be_visible()
    assert all("401" in complaint for complaint in opened.complaints)  # a list that was on its way may come too late
    opened.complaints.clear()


@pytest.mark.parametrize("dark", [False, True])
def test_it_fits_a_small_screen_in_light_and_in_dark(browser: Browser, stack: Any, dark: bool) -> None:
    cookie = stack.cookie_for("alice@example.org")
    opened = Opened(browser, stack.url, cookie=cookie, width=360, dark=dark)
    expect(opened("#import-text")).to_be_visible()
    assert not opened.is_too_wide()
    opened.imported("User: " + "pneumono" * 60 + "\n\n```\n" + "code " * 200 + "\n```\n\nAssistant: Well.", model=DEMO)
    opened.say("word" * 200, model=DEMO)
    expect(opened(".message.assistant:not(.live)")).to_be_visible()
    opened("#versions-label").click()
    opened("#imported-label").click()
    assert not opened.is_too_wide()
    opened("#draft-edit").click()
    assert not opened.is_too_wide()
    background = opened.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (int(re.findall(r"\d+", background)[0]) < 60) is dark
    assert opened.complaints == []
    opened.context.close()


def test_it_reads_events_cut_at_any_byte(opened: Opened) -> None:
    first = 'id: r:1\nevent: content\ndata: {"content":"añ€😀"}\r\n\r\n'
    stream = f"retry: 1000\n\n: waiting\n\n{first}id: r:2\ndata:x\n\ndata: lost"
    read = opened.page.evaluate(
        """async ([path, text]) => {
            const { events } = await import(path);
            const bytes = new TextEncoder().encode(text);
            const results = new Set();
            for (let size = 1; size <= bytes.length; size += 1) {
                const pieces = [];
                for (let at = 0; at < bytes.length; at += size) pieces.push(bytes.slice(at, at + size));
                const seen = [];
                const start = (body) => (pieces.forEach((piece) => body.enqueue(piece)), body.close());
                for await (const event of events(new ReadableStream({ start }))) seen.push(event);
                results.add(JSON.stringify(seen));
            }
            return [...results].map(JSON.parse);
        }""",
        ["/static/draftloom/stream.js", stream],
    )
    assert read == [[{"id": "r:1", "data": '{"content":"añ€😀"}'}, {"id": "r:2", "data": "x"}]]


def test_it_shows_more_conversations_when_asked(opened: Opened, stack: Any) -> None:
    member = stack.client()
    for number in range(32):
        member.imported(f"User: Question {number}.\n\nAssistant: Answer.", llm_provider="openai", llm_model="gpt-4o")
    opened.page.reload()
    expect(opened("#conversations li")).to_have_count(30)
    opened("#more").click()
    expect(opened("#conversations li")).to_have_count(32)
    expect(opened("#more")).to_be_hidden()


def test_it_shows_a_long_chat_part_by_part(opened: Opened, stack: Any) -> None:
    text = "\n\n".join(f"{('User', 'Assistant')[number % 2]}: Message {number}." for number in range(120))
    conversation = stack.client().imported(text)
    with transaction.atomic():
        draft = ProjectDraft.objects.get(conversation=conversation)
        for number in range(60):
            make_turn(draft, f"Question {number}", f"Answer {number}")
    opened.page.goto(f"{opened.url}/#/c/{conversation}")
    expect(opened("#imported-label")).to_have_text("Imported chat (120 messages)")
    opened("#imported-label").click()
    expect(opened("#imported-messages .message")).to_have_count(50)
    for count in (100, 120):
        opened("#imported-more").click()
        expect(opened("#imported-messages .message")).to_have_count(count)
    expect(opened("#imported-more")).to_be_hidden()
    expect(opened("#imported-messages .message").last).to_contain_text("Message 119.")

    expect(opened("#messages .message")).to_have_count(50)
    expect(opened("#messages .message").last).to_contain_text("Answer 59")
    earlier = opened("#messages").get_by_role("button", name="Show earlier messages")
    for count in (100, 120):
        earlier.click()
        expect(opened("#messages .message")).to_have_count(count)
    expect(earlier).to_have_count(0)
    expect(opened("#messages .message").first).to_contain_text("Question 0")


def test_it_searches_and_shows_where_the_words_are(opened: Opened, stack: Any) -> None:
    stack.client().imported("User: Where is the café 🙂 by the harbour?\n\nAssistant: Behind the lighthouse.")
    stack.client().imported("User: Another question.\n\nAssistant: Another answer.")
    index_all()
    opened.page.reload()
    opened("#search").fill("harbour café")
    row = opened("#found li").filter(has_text="Imported chat")
    expect(row.first.locator("mark")).to_have_text(["café", "harbour"])
    expect(opened("#search-status")).to_contain_text("hit")
    expect(opened("#conversations")).to_be_hidden()
    row.first.get_by_role("link").click()
    opened.page.wait_for_url(re.compile("#/c/1$"))
    opened("#search").fill("")
    expect(opened("#conversations li")).to_have_count(2)
    opened("#search").fill("zzzzzz")
    opened("#search").press("Enter")
    expect(opened("#search-status")).to_have_text("Nothing was found.")


def test_it_says_when_the_same_was_proposed_before(opened: Opened, stack: Any) -> None:
    text = "User: {}a moisture sensor in the pot that tells my phone when the plants need water.\n\nAssistant: Good."
    stack.client().imported(text.format("Build "))
    opened.imported(text.format("Please build me "))
    expect(opened("#similar")).to_be_hidden()
    index_all()
    opened.page.reload()
    expect(opened("#similar")).to_contain_text("Has this been proposed already?")
    opened("#similar").get_by_role("link").first.click()
    opened.page.wait_for_url(re.compile("#/c/1$"))


def test_it_leaves_an_answer_alone_and_finds_it_again(opened: Opened) -> None:
    first = opened.imported()
    opened("#sidebar .button").click()
    second = opened.imported(f"{CHAT} Again.")
    opened.say(SLOWLY)
    expect(opened(".message.live")).to_contain_text("w1")
    opened(f"#conversations a[href='#/c/{first}']").click()
    expect(opened("#messages")).to_have_text("Ask for a change, or ask a question about the draft.")
    expect(opened("#chat-send")).to_be_enabled()
    opened(f"#conversations a[href='#/c/{second}']").click()
    expect(opened(".message.assistant:not(.live) .prose")).to_have_text(ANSWER)


def test_it_shows_a_colleague_who_said_what_and_the_answer_as_it_comes(browser: Browser, stack: Any) -> None:
    alice = stack.client()
    conversation = alice.imported(llm_provider="openai", llm_model="gpt-4o")
    with alice.opened("POST", chat_path(conversation), json=said(SLOWLY)):
        bobs = Opened(browser, stack.url, cookie=stack.cookie_for("bob@example.org"))
        bobs("#conversations a").click()
        expect(bobs(".message.user header strong")).to_have_text("alice")
        expect(bobs(".message.live")).to_contain_text("w1")
    expect(bobs(".message.assistant:not(.live) .prose")).to_have_text(ANSWER)
    assert bobs.complaints == []
    bobs.context.close()


# ── Files ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def no_files_left() -> Iterator[None]:
    yield
    for key in list(file_storage().keys()):
        file_storage().delete(key)


def put_into(page: Page, selector: str, event: str, name: str, content: bytes, kind: str) -> None:
    """A file dropped on, or pasted into, an element."""
    transfer = page.evaluate_handle(
        """([name, content, kind]) => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([new Uint8Array(content)], name, {type: kind}));
            return transfer;
        }""",
        [name, list(content), kind],
    )
    page.eval_on_selector(
        selector,
        """(element, [event, transfer]) => element.dispatchEvent(
            event === "paste" ? new ClipboardEvent("paste", {clipboardData: transfer, bubbles: true, cancelable: true})
                              : new DragEvent(event, {dataTransfer: transfer, bubbles: true, cancelable: true}))""",
        [event, transfer],
    )


def test_it_sends_files_with_a_message_and_shows_them(opened: Opened, stack: Any, no_files_left: None) -> None:
    opened.imported()
    picture = image("PNG", size=(640, 400))
    opened("#attach").set_input_files(
        [
            FilePayload(name="feeder.png", mimeType="image/png", buffer=picture),
            FilePayload(name="notes on cedar.txt", mimeType="text/plain", buffer=b"Cedar lasts." * 2000),
        ]
    )
    put_into(opened.page, "#messages", "drop", "plan.pdf", pdf("A plan"), "application/pdf")
    put_into(opened.page, "#message", "paste", "image.png", picture, "image/png")
    chips = opened("#attachments li")
    expect(chips).to_have_count(4)
    expect(chips.locator("progress:visible")).to_have_count(0)
    for file in FileAttachment.objects.all():
        extraction.extract(file_id=file.pk)
    expect(chips.filter(has_text="being read")).to_have_count(0)
    expect(chips.locator("img")).to_have_count(2)
    chips.filter(has_text="image.png").get_by_role("button").click()
    expect(chips).to_have_count(3)
    assert sorted(FileAttachment.objects.values_list("filename", flat=True)) == [
        "feeder.png",
        "notes on cedar.txt",
        "plan.pdf",
    ]

    opened("#chat-send").click()
    expect(opened("#chat-error")).to_have_text("Write something about the files, then send it.")
    opened.page.reload()
    expect(chips).to_have_count(3)  # they wait for a message, also in a page that was loaded anew
    opened.say("What do you think of these?")
    expect(chips).to_have_count(0)
    sent = opened(".message.user .files li")
    expect(sent).to_have_count(3)
    assert opened.page.evaluate("document.querySelector('.files img').decode().then(() => true)")
    assert not FileAttachment.objects.filter(chat_message=None).exists()
    with opened.context.expect_page() as shown:
        sent.locator("a:has(img)").click()
    assert "/files/" in shown.value.url


def test_it_says_of_a_file_why_it_is_not_taken(opened: Opened, no_files_left: None) -> None:
    opened.imported()
    files = [("page.html", b"<script>"), ("empty.txt", b""), ("large.txt", b"x" * (UPLOAD_BYTES + 1))]
    opened("#attach").set_input_files(
        [FilePayload(name=name, mimeType="text/plain", buffer=content) for name, content in files]
    )
    failed = opened("#attachments li.failed .about")
    expect(failed).to_have_count(3)
    expect(failed.nth(0)).to_contain_text("Files of this type cannot be attached. Attach one of these: JPEG")
    expect(failed.nth(1)).to_contain_text("Empty file.")
    expect(failed.nth(2)).to_have_text("A file may have at most 10 MB.")
    opened.say("Nothing of these")
    expect(opened(".message.user")).to_contain_text("Nothing of these")
    assert not FileAttachment.objects.exists()
    opened.complaints = [text for text in opened.complaints if "415" not in text and "400" not in text]
