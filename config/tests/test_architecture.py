"""The rules that keep the project easy to find one's way in; CONTRIBUTING.md says what they are for."""

import ast

import pytest
from django.apps import apps

from config.tests.source import APPS, Module, modules, product

FLOOR = {
    "config.api",
    "config.env",
    "config.exceptions",
    "config.failpoints",
    "config.limits",
    "config.live",
    "config.preconditions",
    "config.redis",
    "config.text",
    "config.throttle",
}
LAYERS = (
    "config floor",
    "integrations",
    "accounts",
    "llmconfig",
    "conversations",
    "drafts",
    "chat",
    "search",
    "config roof",
)
ROOMS = {  # what a module of this name leaves to others, in whatever app
    "models": {"services", "serializers", "views", "tasks", "admin", "urls"},
    "services": {"serializers", "views", "tasks", "admin", "urls"},
    "serializers": {"services", "views", "tasks", "admin", "urls"},
    "tasks": {"serializers", "views", "admin", "urls"},
}
SDKS = {"openai", "anthropic"}
EDGES = {"conversations/runs/runner.py", "config/bridge.py"}  # where whatever happened must still become an answer
FUNCTION_LINES, FILE_LINES = 45, 300


def layer_of(name: str) -> str:
    """The layer a dotted name belongs to; empty if it is not the project's."""
    first, _, rest = name.partition(".")
    if first == "config":
        return "config floor" if ".".join([first, *rest.split(".")[:1]]) in FLOOR else "config roof"
    return first if first in APPS else ""


def upward_imports(module: Module) -> list[str]:
    here = layer_of(module.name)
    found = [(line, name, layer_of(name)) for line, name in module.imports()]
    return [
        f"{module.path}:{line} imports {name}"
        for line, name, there in found
        if here and there and there != here and LAYERS.index(there) >= LAYERS.index(here)
    ]


def wrong_rooms(module: Module) -> list[str]:
    """Imports of another room that the module's own may not enter."""
    left_to_others = ROOMS.get(room_of(module.name), set())
    return [
        f"{module.path}:{line} imports {name}" for line, name in module.imports() if room_of(name) in left_to_others
    ]


def room_of(name: str) -> str:
    first, _, rest = name.partition(".")
    return rest.partition(".")[0] if first in APPS else ""


def sdk_imports(module: Module) -> list[str]:
    if module.path.startswith("integrations/llm/"):
        return []
    return [f"{module.path}:{line} imports {name}" for line, name in module.imports() if name.split(".")[0] in SDKS]


def blind_handlers(module: Module) -> list[str]:
    """Handlers that catch everything and let nothing out."""
    handlers = [node for node in ast.walk(module.tree) if isinstance(node, ast.ExceptHandler)]
    return [f"{module.path}:{handler.lineno}" for handler in handlers if _is_blind(handler)]


def _is_blind(handler: ast.ExceptHandler) -> bool:
    caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type or ast.Name("BaseException")]
    catches_all = any(ast.unparse(kind) in {"Exception", "BaseException"} for kind in caught)
    last = handler.body[-1]
    return catches_all and not (isinstance(last, ast.Raise) and last.exc is None)


def long_functions(module: Module) -> list[str]:
    return [
        f"{module.path}:{node.lineno} {node.name}"
        for node in ast.walk(module.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno + 1 > FUNCTION_LINES
    ]


def test_it_imports_only_from_layers_below():
    assert [line for module in modules() if not module.is_test for line in upward_imports(module)] == []


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("accounts/services.py", "def f():\n    from drafts.models import ProjectDraft"),
        ("conversations/runs/runner.py", "if TYPE_CHECKING:\n    import chat.turns"),
        ("integrations/llm/registry.py", "from config import settings"),
        ("integrations/fetch.py", "from accounts.models import User"),
        ("config/api/errors.py", "from integrations.importers import base"),
        ("config/live.py", "from config.hub import Hub"),
        ("drafts/management/commands/seed.py", "import config.asgi"),
    ],
)
def test_it_notices_an_import_from_above(path: str, text: str):
    assert len(upward_imports(Module(path, text))) == 1


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("chat/turns.py", "from conversations.runs import lifecycle\nfrom config.api.ids import parse_id"),
        ("config/streaming.py", "from conversations.runs.snapshots import load_snapshots\nimport config.hub"),
        ("config/redis.py", "from config import env\nimport redis"),
    ],
)
def test_it_lets_imports_from_below_and_from_the_same_app_pass(path: str, text: str):
    assert upward_imports(Module(path, text)) == []


def test_it_points_foreign_keys_at_its_own_app_or_below():
    upward = [
        f"{model.__name__}.{field.name}"
        for model in apps.get_models()
        for field in model._meta.get_fields()
        if field.is_relation and field.concrete and (target := field.related_model) is not None
        for here, there in [(model._meta.app_label, target._meta.app_label)]  # type: ignore[union-attr]
        if here in APPS and there in APPS and LAYERS.index(there) > LAYERS.index(here)
    ]
    assert upward == []


def test_it_keeps_services_and_models_free_of_http():
    assert [line for module in product() for line in wrong_rooms(module)] == []


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("drafts/services.py", "from drafts import tasks"),
        ("chat/services.py", "from conversations.serializers import RunSerializer"),
        ("accounts/models.py", "def f():\n    from accounts import services"),
        ("search/tasks.py", "import search.views"),
    ],
)
def test_it_notices_an_import_from_another_room(path: str, text: str):
    assert len(wrong_rooms(Module(path, text))) == 1


def test_it_leaves_the_vendors_clients_to_the_providers():
    assert [line for module in modules() for line in sdk_imports(module)] == []
    assert sdk_imports(Module("chat/turns.py", "def f():\n    from openai import AsyncOpenAI")) != []


def test_it_catches_everything_in_one_place_only():
    blind = {module.path: found for module in product() if (found := blind_handlers(module))}
    assert {path: found for path, found in blind.items() if path not in EDGES} == {}
    assert set(blind) >= EDGES, "an exception to the rule that is no longer needed"


@pytest.mark.parametrize(
    ("handler", "is_blind"),
    [
        ("except:\n    pass", True),
        ("except Exception:\n    print()", True),
        ("except (ValueError, BaseException) as error:\n    print(error)", True),
        ("except BaseException:\n    close()\n    raise", False),
        ("except (KeyError, OSError):\n    pass", False),
    ],
)
def test_it_tells_a_blind_handler_from_a_narrow_one(handler: str, is_blind: bool):
    assert bool(blind_handlers(Module("chat/turns.py", f"try:\n    pass\n{handler}"))) is is_blind


def test_it_has_no_long_function():
    assert [line for module in product() for line in long_functions(module)] == []
    body = "\n".join(["    pass"] * FUNCTION_LINES)
    assert long_functions(Module("a.py", f"async def f():\n{body}")) == ["a.py:1 f"]


def test_it_has_no_long_file():
    lengths = {module.path: len(module.text.splitlines()) for module in product()}
    assert {path: lines for path, lines in lengths.items() if lines > FILE_LINES} == {}


def test_it_has_a_line_of_test_for_each_line_of_source():
    tests = sum(module.written_lines for module in modules() if module.is_test)
    source = (
        module for module in product() if not module.path.startswith("bench/")
    )  # that measures; it is not measured
    assert tests >= sum(module.written_lines for module in source)
