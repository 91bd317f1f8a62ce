"""Every wire carries the tool of partial edits to the model, and its call back."""

import json
from typing import Any

import pytest

from chat.draft_tools import EDIT_PROJECT_DRAFT
from chat.tools import parse_arguments
from integrations.llm.events import Finished, ToolCall
from integrations.tests.fake_model import Reply
from integrations.tests.llm_cases import CASES, conversation

ARGUMENTS = {"edits": [{"old": "of “brass”\n", "new": ""}, {"old": "a", "new": "b\\"}], "title": ""}
SPEC = EDIT_PROJECT_DRAFT.spec


def carried(name: str, tool: dict[str, Any]) -> dict[str, Any]:
    """The schema in a tool as this wire writes it."""
    members = {"openai-responses": "parameters", "anthropic": "input_schema"}
    schema: dict[str, Any] = tool[members[name]] if name in members else tool["function"]["parameters"]
    return schema


@pytest.mark.parametrize("name", CASES)
async def test_it_reaches_the_model_and_its_call_comes_back_whole(name: str) -> None:
    async with conversation(name) as talk:
        written = json.dumps(ARGUMENTS, ensure_ascii=False)
        pieces = [written[at : at + 7] for at in range(0, len(written), 7)]
        called = talk.fake.call(0, "call_1", SPEC.name, *pieces)
        talk.fake.replies(Reply((*talk.fake.head(), *called, *talk.fake.finish("tool_calls"))))
        events = await talk.collect(talk.request(SPEC))
    (call,) = [event for event in events if isinstance(event, ToolCall)]
    assert (call.name, parse_arguments(call.arguments)) == (SPEC.name, ARGUMENTS)
    assert events[-1] == Finished("tool_calls")
    (tool,) = talk.fake.requests[0]["tools"]
    assert carried(name, tool) == SPEC.schema
    assert tool.get("strict", False) is (name == "openai-responses")
