"""Who executes which kind of run. Apps above this one register their handlers in `AppConfig.ready`."""

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from conversations.models import Run
    from conversations.runs.context import RunContext
    from conversations.runs.events import Event


class RunFailed(Exception):
    """The run can't go on. `message` is for the person who waits, `code` for programs; `retryable`: again may help."""

    def __init__(self, code: str, message: str, *, retryable: bool = False) -> None:
        super().__init__(code)
        self.code = code
        self.message = message
        self.retryable = retryable


class Handler(Protocol):
    async def execute(self, context: "RunContext") -> None:
        """Does the work and ends it with `context.finish`. Executed again from `run.step` if the runner died.

        Raises `RunFailed`, `LLMError` or `DraftloomError` to end the run as failed.
        """
        ...

    def interrupted(self, run: "Run", text: str, reason: str) -> dict[str, Any]:
        """Stores what was shown (`text`, perhaps empty) of a run that fails or is cancelled.

        Called in the transaction that ends it. `reason` says to the member why. Returns members for `run.result`.
        """
        ...

    def terminal(self, run: "Run") -> "Event":
        """The last event of a run that is done, from what is stored."""
        ...

    def salvaged(self, run: "Run") -> "Event | None":
        """What a run that failed has left all the same, as the event that tells of it; None for nothing."""
        ...


_handlers: dict[str, Handler] = {}


def register(kind: str, handler: Handler) -> None:
    _handlers[kind] = handler


def handler_of(kind: str) -> Handler:
    return _handlers[kind]
