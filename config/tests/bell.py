"""A tool for tests of approval. Ringing the bell adds a version to the draft, so that it can be seen, and counted."""

from django.apps import AppConfig


class BellConfig(AppConfig):
    name = "config.tests.bell"
    label = "bell"
    path = "."

    def ready(self) -> None:
        from accounts.models import User
        from chat.tool import Tool, ToolInput, ToolResult
        from chat.tools import TOOLS
        from drafts.services import add_version

        def ring(call: ToolInput) -> ToolResult:
            title = f"Rung {call.arguments['times']} times"
            user = User.objects.get(pk=call.run.user_id)
            add_version(draft=call.draft, title=title, description="Ding", user=user, run=call.run, tool_call=call.key)
            return ToolResult("succeeded", "It rang.")

        schema = {"type": "object", "properties": {"times": {"type": "integer"}}, "required": ["times"]}
        TOOLS["ring_the_bell"] = Tool("ring_the_bell", "Rings.", schema, "executing_tools", ring, needs_approval=True)
