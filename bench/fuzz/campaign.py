"""One process's share of a run: every operation in turn, with data that fits the schema and data that does not, and
sequences of operations in which one answer leads to the next request."""

import json
from collections.abc import Iterator
from http import HTTPStatus
from random import Random
from typing import Any, NamedTuple

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import FailedHealthCheck, Unsatisfiable
from hypothesis.strategies import SearchStrategy
from schemathesis import Case, GenerationMode, Response
from schemathesis.checks import CheckFunction, not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.generation.stateful.state_machine import StepOutput
from schemathesis.specs.openapi import checks

from accounts.models import User
from bench.fuzz.aim import ENDS_SCENES, ENDS_SESSIONS, Aim, Aimer
from bench.fuzz.events import STREAMS, Events, media_type_of
from bench.fuzz.report import Finding, Tally
from bench.fuzz.scenes import World
from bench.fuzz.shares import Share
from bench.fuzz.wire import Wire

STREAM_CHECKS: list[CheckFunction] = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
]
CHECKS = [*STREAM_CHECKS, checks.response_schema_conformance]
CONFIGURATION = {"generation": {"allow-x00": True, "with-security-parameters": False}}
AFTERMATH = 5  # requests about what is deleted or locked
SCENARIOS, STEPS = 8, 10  # of sequences in each round
EACH = {(True, True): 8, (False, True): 3, (True, False): 1, (False, False): 1}
"""How many cases of an operation a round has: that fit the schema or not, with ids that exist or with any."""
CASES_OF_SHORT_ROUNDS = 5000  # a longer run has longer rounds: to begin with an operation costs as much as some cases


class Plan(NamedTuple):
    """A source of cases of one operation."""

    strategy: "SearchStrategy[Case[Any]]"
    cases: int
    is_valid: bool
    is_aimed: bool


class Campaign:
    """What one process does; `tally` is what came of it."""

    def __init__(self, share: Share) -> None:
        self.tally = Tally()
        self._share = share
        self._random = Random(share.seed)
        self._each = 1 + share.cases // CASES_OF_SHORT_ROUNDS
        self.world = World(f"{share.number}", self._random, share.urls[0])
        self._aimer = Aimer(self.world, self._random)
        self._wire = Wire()
        self._events = Events(share.document)
        self._members = members(share.document)
        self.schema = schemathesis.openapi.from_dict(
            share.document, config=schemathesis.Config.from_dict(CONFIGURATION)
        )

    def run(self) -> Tally:
        operations = [result.ok() for result in self.schema.get_all_operations() if isinstance(result, Ok)]
        plans = [list(_plans(operation)) for operation in operations]
        sequences = _sequences(self)
        while not self._is_over:
            self._random.shuffle(plans)
            for plan in plans:
                plan[:] = [source for source in plan if self._is_over or self._draw(source)]
            self._draw_sequences(sequences)
        return self.tally

    @property
    def _is_over(self) -> bool:
        return self.tally.total >= self._share.cases

    def _draw(self, plan: Plan) -> bool:
        """Sends the cases of a plan; False if there are hardly any, as where there is nothing to get wrong."""

        @seed(self._random.getrandbits(32))
        @settings(_QUIET, max_examples=plan.cases * self._each)
        @given(plan.strategy)
        def send(case: "Case[Any]") -> None:
            if not self._is_over:
                self.ask(case, fill=0.7 if plan.is_valid else 0.3, lead=plan.is_aimed)

        try:
            send()
        except (Unsatisfiable, FailedHealthCheck):
            return False
        return True

    def _draw_sequences(self, machine: Any) -> None:
        if not self._is_over:
            seed(self._random.getrandbits(32))(machine)
            quiet = settings(_QUIET, suppress_health_check=list(HealthCheck))
            machine.run(settings=settings(quiet, max_examples=SCENARIOS, stateful_step_count=STEPS))

    def ask(self, case: "Case[Any]", *, fill: float, lead: bool, owner: User | None = None) -> Response | None:
        """Sends a case and notes what is wrong with the answer.

        Before that its values are replaced by what means something: of query and body with the chance `fill`, of the
        path if it is to `lead` to what is there. It is sent for `owner`, or for the owner of some conversation.
        """
        operation = str(case.operation.definition.raw["operationId"])
        aim = self._aimer.aim(operation, case.path, owner)
        if lead:
            self._aimer.fill_path(case.path_parameters, aim.scene)
        self._aimer.thin(case.query)
        self._aimer.thin(case.headers)
        self._aimer.fill_query(case.query, aim.scene, chance=fill)
        if isinstance(case.body, dict):
            self._aimer.fill_body(case.body, aim.scene, self._members[operation], chance=fill)
        try:
            url = self._random.choice(self._share.urls)
            response = self._wire.send(case, url, self.world.headers_of(aim.caller) | aim.headers, aim.files)
        except requests.RequestException as error:
            self.tally.find(Finding(operation, 0, "no answer"), f"{type(error).__name__} {case!r}")
            return None
        if response is not None:
            self._note(operation, case, response)
            self._make_good(operation, aim, response.status_code)
        return response

    def _make_good(self, operation: str, aim: Aim, status: int) -> None:
        """What this request has ended is there again for those that come later."""
        if operation in ENDS_SESSIONS or status == HTTPStatus.UNAUTHORIZED:
            self.world.sign_in_again(aim.caller)
        if operation in ENDS_SCENES and status < HTTPStatus.BAD_REQUEST:
            aim.scene.left = min(aim.scene.left, AFTERMATH)

    def _note(self, operation: str, case: "Case[Any]", response: Response) -> None:
        self.tally.count(operation, response.status_code)
        if media_type_of(response) == "application/problem+json":
            self.tally.refuse(operation, str(json.loads(response.content).get("code")))
        is_stream = media_type_of(response) in STREAMS
        if is_stream and (wrong := self._events.wrong(case.operation.definition.raw, response)):
            self.tally.find(Finding(operation, response.status_code, "an event that breaks the schema"), wrong)
        try:
            case.validate_response(response, checks=STREAM_CHECKS if is_stream else CHECKS)
        except FailureGroup as group:
            for failure in group.exceptions:
                what = str(getattr(failure, "title", type(failure).__name__))
                example = f"{failure}\n{case!r}\n{response.content[:300]!r}"
                self.tally.find(Finding(operation, response.status_code, what), example)


def members(document: dict[str, Any]) -> dict[str, list[str]]:
    """The members that the body of each operation may have, by `operationId`."""
    found: dict[str, list[str]] = {}
    for item in document["paths"].values():
        for operation in (value for value in item.values() if "operationId" in value):
            contents = operation.get("requestBody", {}).get("content", {}).values()
            references = [content["schema"].get("$ref", "").rpartition("/")[2] for content in contents]
            schemas = [document["components"]["schemas"].get(reference, {}) for reference in references]
            found[operation["operationId"]] = [name for schema in schemas for name in schema.get("properties", {})]
    return found


_QUIET = settings(
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=[check for check in HealthCheck if check is not HealthCheck.filter_too_much],
)


def _plans(operation: Any) -> Iterator[Plan]:
    ids = {parameter.name: "1" for parameter in operation.path_parameters}
    for (is_valid, is_aimed), cases in EACH.items():
        mode = GenerationMode.POSITIVE if is_valid else GenerationMode.NEGATIVE
        if ids or is_aimed:
            more = {"path_parameters": ids} if ids and is_aimed else {}
            yield Plan(operation.as_strategy(generation_mode=mode, **more), cases, is_valid, is_aimed)


def _sequences(campaign: Campaign) -> Any:
    """A state machine of Schemathesis, whose requests are this campaign's: see `as_state_machine`."""
    base = campaign.schema.as_state_machine()

    def setup(machine: Any) -> None:
        machine.owner = campaign.world.somebody()

    def step(machine: Any, input: Any) -> StepOutput | None:
        response = campaign.ask(input.case, fill=0.7, lead=not input.transition, owner=machine.owner)
        campaign.tally.in_sequence += input.transition is not None
        return StepOutput(response, input.case) if response else None

    return type("Sequences", (base,), {"setup": setup, "step": step})
