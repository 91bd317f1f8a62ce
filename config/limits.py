"""How much is too much. One table; the docs print it. What an installation may change is in `config.env`."""

from typing import NamedTuple

MESSAGE_CHARACTERS = 100_000
DESCRIPTION_CHARACTERS = 200_000
SUMMARY_CHARACTERS = 200_000
PROMPT_CHARACTERS = 100_000
PROMPT_NOTE_CHARACTERS = 200
CONVERSATION_TITLE_CHARACTERS = 500
SLACK_MESSAGES = 1_000
DRAFT_TITLE_CHARACTERS = 80
JSON_BYTES = 2 * 1024 * 1024
JSON_DEPTH = 64
IMPORT_BYTES = 25 * 1024 * 1024
ARCHIVES_PER_USER = 20  # that are kept at the same time
MULTIPART_BYTES = 64 * 1024  # what a multipart envelope may add to the file it carries
UPLOAD_BYTES = 10 * 1024 * 1024
PARSE_IN_PROCESS_BYTES = 1024 * 1024  # a larger import is parsed in a child process
ANSWER_CHARACTERS = 400_000


class Rate(NamedTuple):
    """At most `most` times in `seconds`, counted from the first time."""

    most: int
    seconds: int
