import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations.importers import text
from integrations.importers.base import ImporterError

USERS = ("User", "You", "Human", "Me", "Prompt", "You said")
ASSISTANTS = (
    "Assistant",
    "ChatGPT",
    "Claude",
    "Grok",
    "Gemini",
    "AI",
    "Model",
    "Response",
    "ChatGPT said",
    "Claude responded",
    "Gemini said",
    "Grok responded",
)
STYLES = (
    "{}:",
    "{}",
    "**{}:**",
    "**{}**:",
    "**{}**",
    "## {}",
    "#### {}:",
    "# {}",
    "### **{}:**",
    "__{}__:",
    "   {}:",
    "{}：",
    "{} :",
)


def turns(markdown: str) -> list[tuple[str, str]]:
    return [(message.role, message.text) for message in text.read(markdown).messages]


def test_it_reads_labelled_lines():
    chat = text.read("User: Which beans climb?\nAssistant: Runner beans do.\n")
    assert [(message.role, message.text) for message in chat.messages] == [
        ("user", "Which beans climb?"),
        ("assistant", "Runner beans do."),
    ]
    assert (chat.source, chat.parser, chat.title, chat.warnings) == ("text", "text/1", "Which beans climb?", ())


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("assistant", ASSISTANTS)
def test_it_knows_the_labels_of_each_product(user, assistant):
    expected = [("user", "One"), ("assistant", "Two")]
    assert turns(f"{user}: One\n{assistant}: Two") == expected
    assert turns(f"{user.upper()}\nOne\n{assistant.lower()}\nTwo") == expected


@pytest.mark.parametrize("style", STYLES)
def test_it_knows_a_label_on_a_line_of_its_own_in_each_style(style):
    markdown = f"{style.format('You')}\n\nOne\nmore\n\n{style.format('Claude')}\n\nTwo\n"
    assert turns(markdown) == [("user", "One\nmore"), ("assistant", "Two")]


@pytest.mark.parametrize("style", ["{}: ", "**{}:** ", "**{}**: ", "## {}: ", "{}:"])
def test_it_knows_a_label_with_text_behind_it(style):
    markdown = f"{style.format('User')}One\n{style.format('Assistant')}Two **bold**"
    assert turns(markdown) == [("user", "One"), ("assistant", "Two **bold**")]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_it_knows_every_end_of_a_line(end):
    assert turns(end.join(["User:", "One", "1", "Assistant:", "Two"])) == [("user", "One\n1"), ("assistant", "Two")]


@pytest.mark.parametrize(
    "line",
    [
        "You are right",
        "Users: many",
        "The user: someone",
        "Assistant professor: a title",
        "You said so: yes",
        "    User: indented code",
        "> User: quoted",
        "- User: a list",
        "user_name: x",
        "User1: x",
        "`User:`",
        "## User manual",
    ],
)
def test_it_does_not_split_at_a_line_that_only_resembles_a_label(line):
    assert turns(f"User: One\nAssistant: Two\n{line}\nmore") == [("user", "One"), ("assistant", f"Two\n{line}\nmore")]


@pytest.mark.parametrize(
    ("fence", "end"), [("```", "```"), ("~~~", "~~~"), ("````md", "`````"), ("```python", "```  ")]
)
def test_it_does_not_split_inside_a_fence(fence, end):
    block = f"{fence}\nUser: not a label\n# not a title\n{end}\nend"
    markdown = f"User: Look\n{block}\nAssistant: Seen\nUser: Good"
    assert turns(markdown) == [("user", f"Look\n{block}"), ("assistant", "Seen"), ("user", "Good")]


def test_it_closes_a_fence_only_with_its_own_kind():
    block = "````\n```\nUser: no\n~~~~\n```` x\nAssistant: no\n````"
    assert turns(f"User: a\n{block}\nAssistant: b") == [("user", f"a\n{block}"), ("assistant", "b")]


def test_it_takes_no_inline_code_for_a_fence():
    assert turns("User: a\n```x``` y\nAssistant: b") == [("user", "a\n```x``` y"), ("assistant", "b")]


@pytest.mark.parametrize(
    "line", ["Model: gpt-5", "Response: 200 OK", "**Prompt:** a noun", "AI: short for a field", "Me:"]
)
def test_it_splits_at_a_vague_word_only_if_nothing_clearer_is_there(line):
    assert turns(f"User: One\nAssistant: Two\n{line}\nend") == [("user", "One"), ("assistant", f"Two\n{line}\nend")]


def test_it_mixes_vague_and_clear_labels_if_one_role_has_only_vague_ones():
    assert turns("You: One\nAI: Two\nYou: Three") == [("user", "One"), ("assistant", "Two"), ("user", "Three")]


def test_it_never_guesses_a_role_by_turns():
    assert turns("User: One\nUser: Two\nAssistant: Three\nAssistant: Four") == [
        ("user", "One"),
        ("user", "Two"),
        ("assistant", "Three"),
        ("assistant", "Four"),
    ]


def test_it_takes_a_first_heading_for_the_title():
    chat = text.read("\n# Garden plan #\n\n## User\n\n# Beans\n\n## Assistant\n\nYes")
    assert chat.title == "Garden plan"
    assert chat.messages[0].text == "# Beans"
    assert chat.warnings == ()


def test_it_does_not_take_a_label_or_a_later_heading_for_the_title():
    assert text.read("# User\nOne\n# Assistant\n# Two").title == "One"


def test_it_keeps_what_stands_before_the_first_label():
    chat = text.read("Exported on Monday\n# Garden plan\nby hand\nUser: One\nAssistant: Two")
    assert [message.text for message in chat.messages] == ["Exported on Monday\nby hand\n\nOne", "Two"]
    assert (chat.title, chat.warnings) == ("Garden plan", ("text_before_first_label",))


def test_it_keeps_what_stands_before_a_label_without_text():
    assert turns("A note\nUser:\nAssistant: Two") == [("user", "A note"), ("assistant", "Two")]


@pytest.mark.parametrize(
    "note",
    [
        "Just a thought",
        "User: only one side\nand more",
        "Assistant: only the other",
        "# Heading\n\nwords",
        "```\nUser: a\n```",
    ],
)
def test_it_makes_one_message_of_text_without_labels_of_both_roles(note):
    chat = text.read(f"{note}\n")
    assert [(message.role, message.text) for message in chat.messages] == [("user", note)]
    assert chat.warnings == ("no_labels",)


def test_it_names_a_note_after_its_heading_or_its_first_words():
    assert text.read("# Heading\n\nwords").title == "Heading"
    assert text.read("words and\nmore", "file.txt").title == "words and more"


def test_it_names_a_chat_in_which_no_user_speaks_after_its_file():
    assert text.read("User:\nAssistant: Hello", "dir/plan.md").title == "plan"
    assert text.read("User:\nAssistant: Hello").title == "Untitled conversation"


@pytest.mark.parametrize("empty", ["", " ", "\n\t\r\n", "User:\nAssistant:\n", "# Title\nUser:\n\nAssistant:", "\x00"])
def test_it_finds_no_message_in_nothing(empty):
    with pytest.raises(ImporterError) as caught:
        text.read(empty)
    assert caught.value.code == "no_messages"


def test_it_cleans_text_that_a_database_cannot_store():
    assert turns("User: a\x00b\nAssistant: \ud800") == [("user", "ab"), ("assistant", "\ufffd")]


@settings(deadline=None, max_examples=200)
@given(
    st.lists(st.sampled_from(["User:", "Assistant: x", "```", "# t", "words", "", "~~~", "**AI:**", "Me"]), max_size=12)
)
def test_it_loses_no_words(lines):
    markdown = "\n".join(lines)
    try:
        kept = "\n".join(message.text for message in text.read(markdown).messages)
    except ImporterError:
        assert "words" not in lines
        return
    assert kept.count("words") == lines.count("words")


@settings(deadline=None, max_examples=200)
@given(
    st.lists(
        st.tuples(st.sampled_from(["user", "assistant"]), st.text("abc def#\n-*", min_size=1).filter(str.strip)),
        min_size=2,
    ).filter(lambda items: len({role for role, _ in items}) == 2)
)
def test_it_reads_back_what_was_written_with_labels(items):
    markdown = "\n".join(f"**{role.title()}:**\n\n{words}\n" for role, words in items)
    assert turns(markdown) == [(role, words.strip()) for role, words in items]


def test_it_takes_linear_time_for_long_lines():
    for line in ("a" * 1_000_000, "*" * 1_000_000, "`" * 1_000_000 + "x`", "# " * 500_000, " " * 1_000_000 + "x"):
        assert turns(line) == [("user", line.strip())]
