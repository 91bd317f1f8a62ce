"""Problem documents (RFC 9457): their members, and the table of what can go wrong."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, NamedTuple

from config.api.run_problems import RUN_PROBLEMS

MEDIA_TYPE = "application/problem+json"
REFUSAL = "draftloom.refusal"  # the key in a WSGI environ under which the bridge leaves a `Refusal`


class Refusal(NamedTuple):
    """A request that must not reach a view: what to answer instead."""

    status: int
    code: str
    detail: str


class FieldError(NamedTuple):
    """`field` is the dotted path of the member at fault, such as `messages.0.role`; empty for the whole input."""

    field: str
    detail: str


PROBLEMS: dict[str, tuple[str, str]] = {
    "approval_pending": (
        "An approval is pending",
        "The assistant asked to create a Linear project. Approve or reject that first, then send the next message.",
    ),
    "authentication_failed": (
        "Sign-in failed",
        "The key or session sent is unknown, expired or revoked. Sign in again or ask an operator for another key.",
    ),
    "approval_expired": ("The approval expired", "Nobody answered the assistant's question within a day. Ask again."),
    "draft_changed": ("The draft has changed", "An approval is for one version of the draft. Look at the new one."),
    "idempotency_key_reused": (
        "The key was used before",
        "A key stands for one request; choose a new one.",
    ),
    "invalid_etag": (
        "Not an entity tag",
        "If-Match and If-None-Match are `*` or a list of entity tags, in double quotes as ETag headers have them.",
    ),
    "invalid_idempotency_key": ("Not a key", "An Idempotency-Key has 1 to 255 visible ASCII characters."),
    "not_waiting": ("Nothing to approve", "The run has been decided on, or is over."),
    "nothing_to_regenerate": (
        "Nothing to write again",
        "No message in this chat could be answered again.",
    ),
    "nothing_to_retry": ("Nothing to try again", "Only a run that failed or was cancelled can be tried again."),
    "nothing_to_try": ("Nothing to try it on", "A prompt is tried on what models have drafted in the last seven days."),
    "trial_in_progress": ("A trial is under way", "A person tries one prompt at a time. Wait for it, or stop it."),
    "too_many_imports": ("Too many archives", "Delete one that you need no more; each goes by itself after a day."),
    "too_many_runs": ("Too many runs", "Wait for one of your answers to be written, or stop one."),
    "too_many_streams": (
        "Too many streams",
        "Close one, or try again after `Retry-After` seconds. The run goes on.",
    ),
    "empty_file": ("The file is empty", "Choose a file that has something in it."),
    "no_file": ("No file", "Send one file as the part `file` of a form (`multipart/form-data`)."),
    "file_type_not_allowed": (
        "Files of this type are not taken",
        "Content and name must agree on one of the types that `detail` lists.",
    ),
    "image_too_large": ("The image has too many pixels", "Make it smaller, or attach a part of it."),
    "quota_exceeded": (
        "Your room for files is used up",
        "Delete files or conversations that you do not need, or ask an operator to raise `LIMIT_STORAGE_PER_USER`.",
    ),
    "file_not_found": ("No such file", "It does not exist, or it is not visible to you."),
    "file_not_stored": ("The file is lost", "The file storage has it no more. Upload it again."),
    "file_sent": ("The file was sent", "It belongs to a message now, and goes when the conversation is deleted."),
    "no_thumbnail": ("No preview", "Only images have one, a moment after they were uploaded."),
    "link_expired": (
        "The link has lapsed",
        "Links to files work for a few minutes. Open the file from its conversation again.",
    ),
    "storage_unavailable": (
        "The file storage is not available",
        "Try again after `Retry-After` seconds. Nothing of an upload was kept.",
    ),
    "blank_query": ("Nothing to look for", "`q` holds nothing but white space. Type a word, a link or an id."),
    "bad_request": ("Bad request", "The request makes no sense as it stands; `detail` says which part."),
    "conflict": ("Not possible now", "The present state of the thing does not allow this; load it again to see why."),
    "conversation_locked": (
        "The conversation is locked",
        "Its draft has become a Linear project. A locked conversation can be read but not changed.",
    ),
    "conversation_not_locked": ("Not locked", "The conversation can be changed as it is."),
    "database_unavailable": (
        "The database is not available",
        "The server could not reach its database, or the query took too long. Try again after `Retry-After` seconds.",
    ),
    "forbidden": ("Not allowed", "You may see this but not change it, or the key lacks the scope for it."),
    "foreign_origin": (
        "From another site",
        "A signed-in browser may change things only from this server's own pages or from an allowed origin.",
    ),
    "gone": ("Gone", "It was here once and has been removed for good."),
    "google_not_configured": (
        "Google sign-in is not configured",
        "An operator has to set Google's client id and secret, or hand out a login link.",
    ),
    "invalid": ("Not acceptable", "The input is well-formed but not acceptable; `detail` and `errors` say why."),
    "invalid_cursor": (
        "Not a cursor of this list",
        "A cursor is the `next` of the page before, in the same order and without `offset`. Start again without it.",
    ),
    "invalid_event_id": ("Not an event id", "Event ids are `<run>:<number>`, as in the `id` lines of a stream."),
    "invalid_host": ("Unknown host", "The server does not answer to the host name in the request."),
    "invalid_id": ("Not an id", "Ids of things are positive whole numbers, ids of runs are UUIDs."),
    "invalid_limit": ("Limit out of range", "`limit` must be a whole number within the range that `detail` names."),
    "invalid_offset": ("Offset out of range", "`offset` must be a whole number and not negative."),
    "invalid_messages": (
        "Not a part of a chat",
        "`messages` is how many messages to leave out and how many to show, 1 to 1000, such as `messages=200,100`.",
    ),
    "import_not_ready": (
        "The archive is not ready",
        "A worker still lists what it holds, or could not: `state` and `error` of the import say which.",
    ),
    "CHAT_NOT_FOUND": (
        "The chat is gone",
        "The site says that there is no chat behind this link any more. Ask its owner for another link.",
    ),
    "parse_failed": (
        "No chat could be read",
        "`detail` says what to do instead, and `reason` is the code that an import of the page would end with.",
    ),
    "malformed": (
        "Malformed request",
        "The request could not be read: JSON that is no JSON or nested too deeply, a broken form, a broken header.",
    ),
    "method_not_allowed": ("Method not allowed", "The header `Allow` lists the methods that work here."),
    "missing_scope": (
        "The key lacks a scope",
        "`required_scope` says which one. An operator can make a key that has it.",
    ),
    "no_messages": ("No messages", "The text or file holds no messages that could be imported."),
    "not_authenticated": ("Not signed in", "Sign in, or send a service key in the header `X-API-Key`."),
    "not_found": ("Not found", "It does not exist, or it is not visible to you."),
    "attachments_not_found": (
        "No such attachments",
        "Only files of this conversation that no message has sent yet can be sent. List its files again.",
    ),
    "conversation_not_found": ("No such conversation", "It does not exist, or it is not visible to you."),
    "draft_not_found": ("No draft yet", "The conversation has none so far. Let a model write it: `…/generate`."),
    "import_not_found": ("No such import", "An archive is kept for a day and shown to nobody else. Upload it again."),
    "run_not_found": ("No such run", "It does not exist, or it is not visible to you."),
    "summary_not_found": ("No summary yet", "Wait until one is written, or write one yourself."),
    "version_not_found": ("No such version", "This draft has none with that id; `…/versions` lists those it has."),
    "error": ("Something went wrong", "The request could not be carried out; `detail` says why."),
    "request_timeout": ("Too slow", "The body of the request did not arrive in time. Send it again, in one go."),
    "linear_not_configured": (
        "Linear is not connected",
        "An operator has to set LINEAR_ACCESS_KEY and LINEAR_TEAM_KEY; until then drafts stay drafts.",
    ),
    "linear_refused": (
        "Linear refused the project",
        "Nothing was created. `detail` says whether the draft or the server's settings must change.",
    ),
    "linear_unavailable": ("Linear is away", "Nothing was created. Try again in a few minutes."),
    "project_exists": (
        "The project exists",
        "This conversation has become a project before; `linear_url` is its address. There is one for each.",
    ),
    "project_in_doubt": (
        "Perhaps created",
        "Linear did not answer in time. The server keeps looking; load the conversation again in a few minutes.",
    ),
    "project_in_progress": (
        "The project is being created",
        "Somebody has asked for it, and Linear has not answered for certain yet. Wait a few minutes.",
    ),
    "precondition_failed": (
        "Changed meanwhile",
        "`current` is what is there now. Make your change to that, and send it again with `etag` as If-Match.",
    ),
    "project_not_found": ("No project yet", "Nobody has turned this conversation's draft into a Linear project."),
    "run_in_progress": (
        "A run is in progress",
        "Something is being written for this conversation. Wait for it, watch it, or cancel it.",
    ),
    "search_timeout": (
        "The search took too long",
        "Try other words, fewer of them, or narrow it down by a filter.",
    ),
    "server_error": (
        "Server error",
        "The server met a fault of its own. An operator finds the details in its log under `request_id`.",
    ),
    "several_conversations": (
        "Several conversations in one file",
        "This file is an archive. Send it to `/api/imports`, which takes any number of conversations.",
    ),
    "throttled": ("Too many requests", "Wait for `Retry-After` seconds, then go on more slowly."),
    "too_many_requests": ("Too often", "Wait for `Retry-After` seconds, then try again."),
    "too_large": ("Too large", "The request is larger than this address takes; `detail` names the limit."),
    "unavailable": ("Not available", "Something this needs is away or not configured. Try again later."),
    "unknown_entry": ("No such entry", "`GET /api/imports/{id}` lists the keys of what an archive holds."),
    "unstorable_text": (
        "Text that cannot be stored",
        "The text holds a NUL character or half of a surrogate pair. Remove it and send the text again.",
    ),
    "unstorable_value": ("Value that cannot be stored", "A value is outside the range that the database holds."),
    "unsupported_type": (
        "Unsupported content type",
        "Send JSON as `application/json`, files as `multipart/form-data`, and neither of them compressed.",
    ),
    "empty_prompt_type": (
        "No task named",
        "Name the task whose prompt is meant, such as `project_draft_chat`.",
    ),
    "invalid_prompt_type": (
        "No such task",
        "The tasks are those that `/api/llm-defaults/{type}` knows; embedding has no prompt.",
    ),
    "mismatched_prompt_type": (
        "Two different tasks",
        "`prompt_type` in the body must be the one in the address.",
    ),
    "unfit_model": (
        "The model can't do this",
        "The task needs something that this model lacks; `detail` says what.",
    ),
    "unsupported_model": (
        "Unsupported model",
        "The provider has no such model here; `/api/llm-defaults/providers` lists them.",
    ),
    "unsupported_provider": (
        "Unsupported provider",
        "No such provider is known here; `/api/llm-defaults/providers` lists them.",
    ),
    "validation_error": ("Invalid input", "`errors` lists each member of the input that is missing or mistyped."),
} | RUN_PROBLEMS
"""By code: the title, and what it means and what to do about it."""


def title(code: str, status: int) -> str:
    """The short name of a problem; that of its HTTP status if the table does not know it."""
    return PROBLEMS[code][0] if code in PROBLEMS else HTTPStatus(status).phrase


def explanation(code: str) -> str | None:
    """What `code` means and what to do about it, for the page `/problems/{code}`; None for an unknown code."""
    return PROBLEMS[code][1] if code in PROBLEMS else None


def problem(
    status: int,
    code: str,
    detail: str,
    *,
    errors: Sequence[FieldError] = (),
    request_id: str = "",
    extra: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The members of a problem document. `error` repeats `detail` for clients of the former API."""
    document = dict(extra or {}) | {
        "type": f"/problems/{code}",
        "title": title(code, status),
        "status": status,
        "detail": detail,
        "code": code,
        "request_id": request_id,
        "error": detail,
    }
    if errors:
        document["errors"] = [error._asdict() for error in errors]
    return document
