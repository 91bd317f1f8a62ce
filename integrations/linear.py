"""Linear's GraphQL API: create a project under an id of our own, and look whether it is there.

Linear takes a project's id from who creates it (`ProjectCreateInput.id`, a UUID of version 4) and takes each id once.
"""

import hashlib
from typing import Any, NamedTuple
from uuid import UUID

from django.conf import settings

from config.redis import recall, remember
from integrations.http import ServiceAway
from integrations.linear_api import Values, ask, refusal, service

DESCRIPTION_CHARACTERS = 255  # of Linear's short, plain description; `content` holds the Markdown
TEAM_KEPT_SECONDS = 3600
TEAMS_PER_PAGE, MOST_PAGES = 250, 4

_TEAMS = """
query GetTeams($first: Int!, $after: String) {
  teams(first: $first, after: $after) { nodes { id name key } pageInfo { hasNextPage endCursor } }
}
"""
_CREATE = """
mutation CreateProject($input: ProjectCreateInput!) {
  projectCreate(input: $input) { success project { id name content url } }
}
"""
_FIND = "query FindProject($id: String!) { project(id: $id) { id name content url } }"


class LinearProject(NamedTuple):
    """A project as Linear tells it; `content` is Markdown."""

    id: str
    name: str
    content: str
    url: str


def is_configured() -> bool:
    return bool(settings.LINEAR_ACCESS_KEY and settings.LINEAR_TEAM_KEY)


def create_project(*, project_id: UUID, name: str, description: str, content: str) -> LinearProject:
    """Creates a project of the team that `LINEAR_TEAM_KEY` names.

    Raises `ServiceAway`, after which only `find_project` tells whether there is a project: an answer may be lost on its
    way, and an id that was taken before is refused like anything else.
    """
    fields = {"id": str(project_id), "name": name, "description": description, "content": content}
    known = recall(_team_cache_key())
    team = known or _team_to_create_for()
    try:
        return _create(fields, team)
    except ServiceAway as error:
        if error.code != "refused" or not known:
            raise
        newer = _look_up_team()  # the one that was remembered may be gone
        if newer == team:
            raise
        return _create(fields, newer)


def find_project(project_id: UUID) -> LinearProject | None:
    """The project of this id; None if Linear says that there is none. Raises `ServiceAway`."""
    data, errors = ask(_FIND, {"id": str(project_id)}, is_idempotent=True)
    if errors:
        if any("not found" in str(error.get("message")).lower() for error in errors):
            return None
        raise refusal(errors)
    return _project(data["project"]) if data.get("project") else None


def probe() -> None:
    """Asks for next to nothing. Raises `ServiceAway`."""
    _look_up_team()


def _create(fields: dict[str, str], team: str) -> LinearProject:
    data, errors = ask(_CREATE, {"input": fields | {"teamIds": [team]}})
    if errors:
        raise refusal(errors)
    created = data.get("projectCreate")
    if not isinstance(created, dict):
        raise service().failed("malformed")
    if not created.get("success"):
        raise service().failed("refused")
    return _project(created.get("project"))


def _team_to_create_for() -> str:
    try:
        return _look_up_team()
    except ServiceAway as error:
        error.may_have_happened = False  # there is no project without a team
        raise


def _look_up_team() -> str:
    wanted, after = settings.LINEAR_TEAM_KEY.lower(), None
    for _ in range(MOST_PAGES):
        data, errors = ask(_TEAMS, {"first": TEAMS_PER_PAGE, "after": after}, is_idempotent=True)
        if errors:
            raise refusal(errors)
        teams, after = _teams_of(data)
        if wanted in teams:
            remember(_team_cache_key(), teams[wanted], TEAM_KEPT_SECONDS)
            return teams[wanted]
        if not after:
            break
    raise service().failed("unknown_team")


def _teams_of(data: Values) -> tuple[dict[str, str], str | None]:
    """The teams of one page, ids by key, and where the next page begins."""
    try:
        page = data["teams"]
        info = page.get("pageInfo") or {}
        teams = {team["key"].lower(): str(team["id"]) for team in page["nodes"]}
        return teams, info["endCursor"] if info.get("hasNextPage") else None
    except (AttributeError, KeyError, TypeError):
        raise service().failed("malformed") from None


def _team_cache_key() -> str:
    whose = f"{settings.LINEAR_API_URL} {settings.LINEAR_ACCESS_KEY} {settings.LINEAR_TEAM_KEY}"
    return f"linear:team:{hashlib.sha256(whose.encode()).hexdigest()}"


def _project(value: Any) -> LinearProject:
    texts = [value.get(name) or "" for name in LinearProject._fields] if isinstance(value, dict) else [""]
    if not all(isinstance(text, str) for text in texts) or not texts[0]:
        raise service().failed("malformed")
    project = LinearProject(*texts)
    if not project.url.startswith("https://"):  # it becomes a link in our pages
        raise service().failed("malformed")
    return project
