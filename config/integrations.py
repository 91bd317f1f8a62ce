"""What outside services there are, and how each does: for operators."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import datetime, timedelta
from typing import NamedTuple

from django.conf import settings
from django.utils import timezone

from config.redis import recall, remember
from integrations import health, linear, mem0, summarizer
from integrations.embeddings import registry as embeddings
from integrations.health import Health
from integrations.http import Service, ServiceAway
from integrations.llm.registry import VENDORS
from llmconfig.models import LLMCall

PROBE_SECONDS = 3.0
PROBE_KEPT_SECONDS = 2 * health.PROBE_REST_SECONDS
CALLS_CONSIDERED = timedelta(days=1)
AWAY = frozenset({"unreachable", "timeout", "interrupted", "server_error"})


class Integration(NamedTuple):
    """`probe` asks for next to nothing and raises `ServiceAway`; None where that would take more than a request."""

    name: str
    is_configured: Callable[[], bool]
    probe: Callable[[], object] | None = None


class State(NamedTuple):
    """`reachable` is None where nobody has asked lately. `error_code` is empty if nothing went wrong lately."""

    name: str
    configured: bool
    reachable: bool | None
    health: Health

    @property
    def failure(self) -> Health | None:
        return self.health if self.health.error_at else None


def all_integrations() -> list[Integration]:
    return [
        *(_provider(name, vendor.key_setting, vendor.address_setting) for name, vendor in VENDORS.items()),
        Integration("linear", linear.is_configured, linear.probe),
        Integration("mem0", mem0.is_configured),
        Integration("summarizer", summarizer.is_configured),
        Integration("embeddings", lambda: embeddings.is_configured(settings.EMBEDDING_MODEL)),
        Integration("storage", lambda: bool(settings.AWS_S3_BUCKET_NAME)),
        Integration("google", lambda: bool(settings.GOOGLE_CLIENT_ID and settings.GOOGLE_CLIENT_SECRET)),
    ]


def states(*, probing: bool = False) -> list[State]:
    """Each integration's state; with `probing`, those are asked that nobody has asked for a minute, all at once."""
    rows = all_integrations()
    asked = _probe([row for row in rows if row.probe and row.is_configured()]) if probing else {}
    known = health.health_of(row.name for row in rows) | _health_of_providers()
    return [State(row.name, row.is_configured(), asked.get(row.name, _recalled(row)), known[row.name]) for row in rows]


def _provider(name: str, key_setting: str, address_setting: str) -> Integration:
    """Its address is enough to find out whether it answers: a refusal for want of a key is an answer."""

    def probe() -> None:
        Service(f"{name} (probe)", getattr(settings, address_setting), seconds=PROBE_SECONDS).call("/models")

    return Integration(name, lambda: bool(getattr(settings, key_setting)), probe)


def _probe(rows: list[Integration]) -> dict[str, bool]:
    due = [row for row in rows if health.may_probe(row.name)]
    if not due:
        return {}
    pool = ThreadPoolExecutor(len(due), "probe")
    asked: dict[str, Future[bool]] = {row.name: pool.submit(_answers, row) for row in due}
    wait(asked.values(), PROBE_SECONDS)
    pool.shutdown(wait=False)  # whoever takes longer is remembered when it is done
    return {name: future.done() and future.result() for name, future in asked.items()}


def _answers(row: Integration) -> bool:
    is_there = True
    try:
        if row.probe:
            row.probe()
    except ServiceAway as error:
        is_there = error.code not in AWAY
    remember(_probe_key(row), "yes" if is_there else "no", PROBE_KEPT_SECONDS)
    return is_there


def _recalled(row: Integration) -> bool | None:
    answer = recall(_probe_key(row))
    return None if answer is None or not row.is_configured() else answer == "yes"


def _probe_key(row: Integration) -> str:
    return f"probe:{row.name}"


def _health_of_providers() -> dict[str, Health]:
    """From the calls of the last day, which are all on record."""
    since = timezone.now() - CALLS_CONSIDERED
    return {name: _health_of_provider(name, since) for name in VENDORS}


def _health_of_provider(name: str, since: datetime) -> Health:
    calls = LLMCall.objects.filter(provider=name, created_at__gte=since).only("created_at", "error_code")
    success = calls.filter(outcome=LLMCall.Outcome.FINISHED).first()
    failure = calls.filter(outcome=LLMCall.Outcome.FAILED).first()
    return Health(
        success.created_at if success else None,
        failure.created_at if failure else None,
        failure.error_code if failure else "",
    )
