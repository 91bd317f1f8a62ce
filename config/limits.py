"""How much is too much. One table; the docs print it. What an installation may change is in `config.env`."""

from typing import NamedTuple

MESSAGE_CHARACTERS = 100_000
MESSAGE_FILES = 10
DESCRIPTION_CHARACTERS = 200_000
SUMMARY_CHARACTERS = 200_000
PROMPT_CHARACTERS = 100_000
PROMPT_NOTE_CHARACTERS = 200
CONVERSATION_TITLE_CHARACTERS = 500
SLACK_MESSAGES = 1_000
DRAFT_TITLE_CHARACTERS = 80
DRAFT_EDITS = 100  # that a model makes in one call
JSON_BYTES = 2 * 1024 * 1024
JSON_DEPTH = 64
IMPORT_BYTES = 25 * 1024 * 1024
ARCHIVES_PER_USER = 20  # that are kept at the same time
MULTIPART_BYTES = 64 * 1024  # what a multipart envelope may add to the file it carries
UPLOAD_BYTES = 10 * 1024 * 1024
FILENAME_BYTES = 255  # what file systems take
PARSE_IN_PROCESS_BYTES = 1024 * 1024  # a larger import is parsed in a child process
QUERY_CHARACTERS = 1_000
COUNTED_ROWS = 10_000  # of a list whose total is asked for
ANSWER_CHARACTERS = 400_000
IMAGE_PIXELS = 50_000_000
INLINE_BYTES = 20 * 1024 * 1024  # of files in one request to a model, before they are encoded
EXTRACTION_SECONDS = 20  # for one file, by the clock
EXTRACTION_CPU_SECONDS = 15
EXTRACTION_MEMORY_BYTES = 512 * 1024 * 1024
EXTRACTION_OUTPUT_BYTES = 8 * 1024 * 1024  # all characters of the text as JSON escapes, and a thumbnail
EXTRACTION_CHARACTERS = 400_000
EXTRACTION_PAGES = 500
EXTRACTION_TRIES = 3
DOCX_BYTES = 100 * 1024 * 1024  # unpacked
DOCX_PARTS = 5_000
THUMBNAIL_PIXELS = 256  # of its longer side


class Rate(NamedTuple):
    """At most `most` times in `seconds`, counted from the first time."""

    most: int
    seconds: int
