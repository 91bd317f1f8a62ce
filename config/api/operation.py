"""What the API's document says of an operation beside what its view declares: each app has a table in `examples.py`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """The row of an operation; `config.openapi` puts it into the document.

    `request`, `form` and `answer` are examples: of the JSON or the form that it takes, and of its success. `codes`
    are its own refusals, by HTTP status, beside those that any operation may answer with. `stream` names the union of
    events that it streams (`config.openapi.streams`); one that `resumes` reads `Last-Event-ID`. One that `honours_key`
    does a thing once for each `Idempotency-Key`. `headers` are further ones of its success. One that is `for_services`
    lets no person in.
    """

    description: str = ""
    request: Any = None
    form: Any = None
    answer: Any = None
    codes: Mapping[int, Sequence[str]] = field(default_factory=dict)
    stream: str = ""
    resumes: bool = False
    honours_key: bool = False
    headers: Sequence[str] = ()
    for_services: bool = False
