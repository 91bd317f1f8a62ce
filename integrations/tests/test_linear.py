from typing import Any
from uuid import uuid4

import pytest

from integrations import linear
from integrations.http import ServiceAway
from integrations.linear import LinearProject
from integrations.tests.fake_linear import LIES, TEAM_KEY, FakeLinear

pytestmark = pytest.mark.usefixtures("django_db_setup")  # which starts Redis, too
TEXT = {"name": "A lighthouse", "description": "Short.", "content": "## Goal\n\nLight."}


@pytest.fixture
def fake(fake_linear: FakeLinear) -> FakeLinear:
    return fake_linear


def failure() -> ServiceAway:
    with pytest.raises(ServiceAway) as caught:
        linear.create_project(project_id=uuid4(), **TEXT)
    return caught.value


@pytest.mark.parametrize(("key", "team", "is_on"), [("k", "T", True), ("k", "", False), ("", "T", False)])
def test_it_is_on_with_a_key_and_a_team(settings: Any, key: str, team: str, is_on: bool) -> None:
    settings.LINEAR_ACCESS_KEY, settings.LINEAR_TEAM_KEY = key, team
    assert linear.is_configured() is is_on


def test_it_creates_a_project_under_our_id_for_the_team(fake: FakeLinear) -> None:
    number = uuid4()
    made = linear.create_project(project_id=number, **TEXT)
    url = f"https://linear.app/acme/project/{number}"
    assert made == LinearProject(str(number), "A lighthouse", "## Goal\n\nLight.", url)
    assert fake.inputs == [{"id": str(number), "teamIds": ["team-2"], **TEXT}]
    assert linear.find_project(number) == made


def test_it_finds_no_project_that_is_not_there(fake: FakeLinear) -> None:
    assert linear.find_project(uuid4()) is None


def test_it_finds_the_team_whatever_its_case_and_page(fake: FakeLinear, settings: Any) -> None:
    settings.LINEAR_TEAM_KEY = "eNg"
    fake.page_size = 1
    linear.create_project(project_id=uuid4(), **TEXT)
    assert fake.operations == ["GetTeams", "GetTeams", "CreateProject"]


def test_it_looks_the_team_up_once(fake: FakeLinear) -> None:
    for _ in range(3):
        linear.create_project(project_id=uuid4(), **TEXT)
    assert fake.operations.count("GetTeams") == 1


def test_it_looks_again_when_the_team_it_remembers_is_gone(fake: FakeLinear) -> None:
    linear.create_project(project_id=uuid4(), **TEXT)
    fake.teams[1] = {"id": "team-9", "name": "Built anew", "key": TEAM_KEY}
    linear.create_project(project_id=uuid4(), **TEXT)
    assert [fields["teamIds"] for fields in fake.inputs] == [["team-2"], ["team-2"], ["team-9"]]
    assert len(fake.projects) == 2


def test_it_does_not_create_again_what_was_refused_for_another_reason(fake: FakeLinear) -> None:
    linear.create_project(project_id=uuid4(), **TEXT)
    fake.faults = ["refused"]
    assert failure().code == "refused"
    assert fake.operations.count("CreateProject") == 2


def test_it_says_when_there_is_no_such_team(fake: FakeLinear) -> None:
    fake.teams = fake.teams[:1]
    error = failure()
    assert (error.code, error.may_have_happened) == ("unknown_team", False)


def test_it_knows_that_nothing_was_created_before_a_team_was_found(fake: FakeLinear, settings: Any) -> None:
    settings.LINEAR_API_URL = "http://127.0.0.1:9/graphql"
    error = failure()
    assert (error.code, error.retryable, error.may_have_happened) == ("unreachable", True, False)


def test_it_says_when_the_key_is_wrong(fake: FakeLinear, settings: Any) -> None:
    settings.LINEAR_ACCESS_KEY = "lin_api_another"
    error = failure()
    assert (error.code, error.retryable, error.may_have_happened) == ("unauthorized", False, False)


@pytest.mark.parametrize(
    ("fault", "code", "may_have_happened"),
    [
        ("cut", "interrupted", True),
        ("cut_after", "interrupted", True),
        ("500", "server_error", True),
        ("500_after", "server_error", True),
        ("slow_after", "timeout", True),
        ("twice", "refused", False),
        ("refused", "refused", False),
        ("throttled", "throttled", False),
        ("html", "malformed", True),
        *((name, "refused" if name == "no success" else "malformed", name != "no success") for name in LIES),
    ],
)
def test_it_tells_how_a_creation_failed(fake: FakeLinear, fault: str, code: str, may_have_happened: bool) -> None:
    fake.faults = [fault]
    error = failure()
    assert (error.code, error.may_have_happened) == (code, may_have_happened)
    assert fake.operations.count("CreateProject") == 1  # it never creates twice by itself


@pytest.mark.parametrize("fault", ["cut", "500"])
def test_it_looks_again_after_a_passing_fault(fake: FakeLinear, settings: Any, fault: str) -> None:
    settings.LINEAR_SECONDS = 3.0
    made = linear.create_project(project_id=uuid4(), **TEXT)
    fake.read_faults = [fault]
    assert linear.find_project(uuid4()) is None
    assert fake.projects[made.id]["name"] == "A lighthouse"


def test_it_takes_no_other_error_for_a_project_that_is_not_there(fake: FakeLinear) -> None:
    fake.read_faults = ["confused"]
    with pytest.raises(ServiceAway, match="refused"):
        linear.find_project(uuid4())


@pytest.mark.parametrize("page", [None, [], {"nodes": None}, {"nodes": [{"id": 1}]}, {"nodes": [{"key": None}]}])
def test_it_believes_no_nonsense_about_teams(fake: FakeLinear, page: Any) -> None:
    fake.teams_page = page
    assert failure().code == "malformed"
