"""Linear's GraphQL API on 127.0.0.1, as far as we use it, and with the faults that matter.

`faults` holds what befalls the next calls that create a project, one each: `cut` and `500` before anything is done,
`cut_after`, `500_after` and `slow_after` once it is done, `late` done only after the client has gone, `held` only when
`deliver_held` is called, `twice` as if a proxy had sent it again, `refused`, `html`, and what `LIES` tells; so does
`read_faults` for the look-ups of a project; an empty one is none. After the last all is well. `injected` counts them.
"""

import asyncio
from typing import Any

from aiohttp import web

from integrations.tests.loopback import LoopbackServer, cut

KEY, TEAM_KEY = "lin_api_secret", "ENG"
LIES: dict[str, Any] = {
    "no data": {},
    "a list": [],
    "no success": {"data": {"projectCreate": {"success": False, "project": None}}},
    "no project": {"data": {"projectCreate": {"success": True, "project": None}}},
    "no link": {"data": {"projectCreate": {"success": True, "project": {"id": "x", "name": "n", "url": None}}}},
    "a script": {"data": {"projectCreate": {"success": True, "project": {"id": "x", "url": "javascript:alert(1)"}}}},
    "numbers": {"data": {"projectCreate": {"success": True, "project": {"id": 1, "name": 2, "url": 3}}}},
}


class LinearFaked:
    """`projects` is what it has, by id; `operations` the names of what it was asked for, in order."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Is as it was made."""
        self.slow_seconds, self.late_seconds = 0.6, 0.3
        self.projects: dict[str, dict[str, Any]] = {}
        self.operations: list[str] = []
        self.inputs: list[dict[str, Any]] = []
        self.faults: list[str] = []
        self.read_faults: list[str] = []
        self.teams = [
            {"id": "team-1", "name": "Sales", "key": "SAL"},
            {"id": "team-2", "name": "Build", "key": TEAM_KEY},
        ]
        self.page_size = 250
        self.teams_page: Any = ...  # in place of a page of teams
        self.held: list[dict[str, Any]] = []
        self.duplicates = self.injected = 0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") != KEY:
            return _errors("Authentication required, not authenticated", code="AUTHENTICATION_ERROR", status=400)
        body = await request.json()
        query, variables = body["query"], body.get("variables") or {}
        operation = query.split()[1].partition("(")[0]
        self.operations.append(operation)
        if operation == "GetTeams":
            return self._teams_page(variables)
        if operation == "FindProject":
            return await self._find(request, variables["id"])
        return await self._create(request, variables["input"])

    def deliver_held(self) -> None:
        """What had been on its way all the time arrives."""
        for fields in self.held:
            self._store(fields)
        self.held.clear()

    def _next(self, faults: list[str]) -> str:
        fault = faults.pop(0) if faults else ""
        self.injected += bool(fault)
        return fault

    def _teams_page(self, variables: dict[str, Any]) -> web.Response:
        if self.teams_page is not ...:
            return web.json_response({"data": {"teams": self.teams_page}})
        start = int(variables.get("after") or 0)
        end = start + min(self.page_size, variables["first"])
        info = {"hasNextPage": end < len(self.teams), "endCursor": str(end)}
        return web.json_response({"data": {"teams": {"nodes": self.teams[start:end], "pageInfo": info}}})

    async def _find(self, request: web.Request, project_id: str) -> web.StreamResponse:
        fault = self._next(self.read_faults)
        if fault == "cut":
            cut(request)
        if fault == "500":
            return web.json_response({}, status=500)
        if fault == "confused":
            return _errors("Something went wrong")
        if project_id not in self.projects:
            return _errors("Entity not found: Project", code="INPUT_ERROR")
        return web.json_response({"data": {"project": self.projects[project_id]}})

    async def _create(self, request: web.Request, fields: dict[str, Any]) -> web.StreamResponse:
        self.inputs.append(fields)
        fault = self._next(self.faults)
        match fault:
            case "cut":
                cut(request)
                return web.Response()
            case "500":
                return web.json_response({}, status=500)
            case "refused":
                return _errors("Argument Validation Error", code="INVALID_INPUT")
            case "throttled":
                return _errors("Rate limit exceeded", code="RATELIMITED", status=400)
            case "html":
                return web.Response(text="<html>Maintenance</html>")
            case "held":
                self.held.append(fields)
                cut(request)
                return web.Response()
            case "late":
                asyncio.get_running_loop().call_later(self.late_seconds, self._store, fields)
                cut(request)
                return web.Response()
        if fault in LIES:
            return web.json_response(LIES[fault])
        answer = self._store(fields)
        return await self._befall(request, fault, fields, answer)

    async def _befall(
        self, request: web.Request, fault: str, fields: dict[str, Any], answer: web.Response
    ) -> web.StreamResponse:
        match fault:
            case "cut_after":
                cut(request)
            case "500_after":
                return web.json_response({}, status=502)
            case "slow_after":
                await asyncio.sleep(self.slow_seconds)
            case "twice":
                return self._store(fields)
        return answer

    def _store(self, fields: dict[str, Any]) -> web.Response:
        if fields["teamIds"] not in [[team["id"]] for team in self.teams]:
            return _errors("Entity not found: Team", code="INPUT_ERROR")
        if fields["id"] in self.projects:
            self.duplicates += 1
            return _errors("Entity with this id already exists", code="INVALID_INPUT")
        project = {name: fields[name] for name in ("id", "name", "content", "description")}
        project["url"] = f"https://linear.app/acme/project/{fields['id']}"
        self.projects[fields["id"]] = project
        return web.json_response({"data": {"projectCreate": {"success": True, "project": project}}})


class FakeLinear(LinearFaked, LoopbackServer):
    def __init__(self) -> None:
        LinearFaked.__init__(self)
        LoopbackServer.__init__(self, self.answer)


def _errors(message: str, *, code: str = "INTERNAL", status: int = 200) -> web.Response:
    error = {"message": message, "extensions": {"code": code}}
    return web.json_response({"data": None, "errors": [error]}, status=status)
