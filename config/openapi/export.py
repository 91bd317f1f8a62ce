"""The API's document as the file that is kept with the source, for generated clients and for reviewing changes."""

import json
from pathlib import Path
from typing import Any

from drf_spectacular.generators import SchemaGenerator

from config.env import BASE_DIR, VARIABLES

FILE = BASE_DIR / "docs" / "openapi.json"
COMMAND = ".venv/bin/python manage.py export_openapi"


def document() -> dict[str, Any]:
    """The OpenAPI document. It is the same on every installation: the title is not the one set there."""
    made: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    made["info"]["title"] = VARIABLES["API_TITLE"].default
    return made


def text() -> str:
    """The document as it is written: sorted, so that a change of code changes nothing but its own lines."""
    return json.dumps(document(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def is_current(path: Path = FILE) -> bool:
    return path.is_file() and path.read_text("utf-8") == text()
