"""What the old SPA relies on, row by row: its calls (9), what a browser was seen to do (9.1), and its streams (2)."""

from collections.abc import Callable
from typing import Any, TypeVar

Test = TypeVar("Test", bound=Callable[..., Any])

ROWS = {
    "9.01": "signing in begins by going to the login address",
    "9.02": "every page asks who is signed in",
    "9.03": "signing out",
    "9.04": "the login page and the reasons it is shown",
    "9.05": "the signed-in person, which nothing calls",
    "9.06": "the list at the side, of up to 500",
    "9.07": "a conversation's page",
    "9.08": "another title",
    "9.09": "deleting a conversation",
    "9.10": "the summary, missing until it is written",
    "9.11": "another summary",
    "9.12": "importing a link",
    "9.13": "the answers to an import's questions",
    "9.14": "the draft, asked for again while it is being written",
    "9.15": "another draft by hand",
    "9.16": "a project from the draft",
    "9.17": "the project of a locked conversation",
    "9.18": "all versions",
    "9.19": "an earlier version brought back",
    "9.20": "the chat",
    "9.21": "saying something",
    "9.22": "the draft after the model has changed it",
    "9.23": "attaching a file",
    "9.24": "showing a file",
    "9.25": "the models, and the one in use",
    "9.26": "another model in use",
    "9.27": "reading, changing and resetting a prompt",
    "9.28": "searching",
    "9.29": "what it could call and never does",
    "9.1.1": "`relevance` sorts as `score` does",
    "9.1.2": "asking who is signed in is preflighted",
    "9.1.3": "writes are preflighted, and carry no token",
    "9.1.4": "the list is asked for before anybody is known to be signed in",
    "9.1.5": "a failed sign-in lands on /login",
    "9.1.6": "thirteen requests in five seconds, none answered from a cache",
    "9.1.7": "one site for SPA and API",
    "9.1.8": "a file opens without an Origin, whatever its name",
    "9.1.9": "the string `error` of a refusal",
    "9.1.10": "a window of 4,096 tokens",
    "2.1 bad URL": "one error",
    "2.1 conflict": "one conflict, whoever has imported it",
    "2.1 wrong target": "one error",
    "2.1 gone": "an error with the code CHAT_NOT_FOUND",
    "2.1 unreadable": "an error without a code",
    "2.1 updated": "the messages are new, the draft and the title are not",
    "2.1 new": "keywords, memories, the draft",
    "2.1 too long": "a question, and nothing is stored",
    "2.1 too long, accepted": "a placeholder, until the summary is there",
    "2.1 failed late": "done, with a draft that says why it is none",
    "2.1 failed early": "an error, where the old system only stopped",
    "2.2 no tools": "for each provider",
    "2.2 draft tool": "for each provider",
    "2.2 rejected call": "the model is told why, and goes on",
    "2.2 Linear tool": "the conversation is locked, and the turn over",
    "2.2 Linear failure": "the model is told why, and goes on",
    "2.2 provider failure": "an error, and nothing after it",
    "2.2 failure elsewhere": "the same",
    "2.2 unknown model": "refused before anything is stored",
    "2.2 blank answer": "an error instead of done",
    "2.2 stored at done": "who has read done finds the answer",
    "2.2 locked": "refused, where the old system let it through",
}


def row(*names: str) -> Callable[[Test], Test]:
    """Says which rows a test is about."""

    def mark(test: Test) -> Test:
        test.rows = names  # type: ignore[attr-defined]
        return test

    return mark
