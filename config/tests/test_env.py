"""The environment's table, in code and on paper, and how its values are read."""

import ast
import inspect
import os
import re
from collections.abc import Iterator
from pathlib import Path

import environ
import pytest
from django.core.exceptions import ImproperlyConfigured

from config import env
from config.api.sse import ENCODERS
from config.env import BASE_DIR, VARIABLES, Variable
from config.tests.source import Module, modules, product

READERS = {name for name, value in vars(env).items() if inspect.isfunction(value)} | {"db"}
POSTGRES = {name for name in VARIABLES if name.startswith("POSTGRES_")}  # read together, by `env.database`
NOT_OURS = {("manage.py", "RUN_MAIN")}  # Django's own
ROW = re.compile(r"\| `([A-Z][A-Z0-9_]*)` \| (?:`([^`|]+)`)? ?\| (.+) \|")
EXAMPLE = re.compile(r"^# (.+)\n#([A-Z][A-Z0-9_]*)=(.*)$", re.MULTILINE)


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No variable of ours, and no `.env` of the developer's."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(env, "BASE_DIR", tmp_path)


def table_in_readme() -> list[tuple[str, Variable]]:
    rows = map(ROW.fullmatch, BASE_DIR.joinpath("README.md").read_text("utf-8").splitlines())
    return [(row[1], Variable(row[2] or "", row[3])) for row in rows if row]


def rows_of_example() -> list[tuple[str, Variable]]:
    return [(name, Variable(default, meaning)) for meaning, name, default in EXAMPLE.findall(example())]


def example() -> str:
    return BASE_DIR.joinpath(".env.example").read_text("utf-8")


def test_it_is_told_in_the_readme_as_the_code_has_it():
    assert table_in_readme() == list(VARIABLES.items())


def test_it_is_told_in_the_example_as_the_code_has_it():
    assert rows_of_example() == list(VARIABLES.items())


def test_it_changes_nothing_to_copy_the_example():
    assert [line for line in example().splitlines() if line and not line.startswith("#")] == []


def reads_of_environ(module: Module) -> Iterator[tuple[int, str]]:
    """Line and source of each read of the process's environment; setting it and passing it on whole are none."""
    passed_on = set[ast.AST]()
    for node in ast.walk(module.tree):
        match node:
            case ast.Attribute(value=environment, attr="setdefault" | "pop"):
                passed_on.add(environment)
            case ast.Subscript(value=environment, ctx=ast.Store()):
                passed_on.add(environment)
            case ast.BinOp(left=environment, op=ast.BitOr()) | ast.AugAssign(target=environment, op=ast.BitOr()):
                passed_on.add(environment)
    for node in ast.walk(module.tree):
        if node not in passed_on and ast.unparse(node) in {"os.environ", "environ.Env.ENVIRON", "os.getenv"}:
            yield node.lineno, module.text.splitlines()[node.lineno - 1].strip()  # type: ignore[attr-defined]


def names_asked_for(module: Module) -> set[str]:
    """The constant first arguments of calls of `config.env`'s readers."""
    calls = [node for node in ast.walk(module.tree) if isinstance(node, ast.Call) and node.args]
    constants = [call.args[0] for call in calls if ast.unparse(call.func).rpartition(".")[2] in READERS]
    return {node.value for node in constants if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def test_it_is_read_in_one_module_only():
    readers = {"config/env.py", "config/settings_test.py"}
    found = [(module.path, line, text) for module in product() for line, text in reads_of_environ(module)]
    elsewhere = [read for read in found if read[0] not in readers]
    assert [read for read in elsewhere if not any(read[0] == path and name in read[2] for path, name in NOT_OURS)] == []
    assert {path for path, _, _ in found} >= readers, "the search finds nothing any more"


@pytest.mark.parametrize(
    ("line", "is_read"),
    [
        ("key = os.environ['SECRET_KEY']", True),
        ("key = os.environ.get('SECRET_KEY')", True),
        ("key = os.getenv('SECRET_KEY')", True),
        ("names = list(os.environ)", True),
        ("os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'config.settings')", False),
        ("os.environ['APP_ENV'] = 'local'", False),
        ("child = os.environ | {'PORT': '1'}", False),
    ],
)
def test_it_tells_reading_from_setting_and_passing_on(line: str, is_read: bool):
    assert bool(list(reads_of_environ(Module("drafts/services.py", line)))) is is_read


def test_it_reads_every_variable_of_the_table_and_no_other():
    by_path = {module.path: module for module in modules()}
    asked = names_asked_for(by_path["config/env.py"]) | names_asked_for(by_path["config/settings.py"])
    assert asked | POSTGRES | {"DATA_DIR"} == set(VARIABLES)


def test_it_takes_an_empty_value_for_none(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PORT", "  ")
    assert env.text("PORT") == "8000"
    assert not env.is_set("PORT")


def test_it_takes_a_value_as_it_is(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME_OF_A_STRANGER", "expanded")
    for value in ("$HOME_OF_A_STRANGER", "$ecret", r"a\$b", "k=v#x"):
        monkeypatch.setenv("POSTGRES_PASSWORD", value)
        assert env.text("POSTGRES_PASSWORD") == value


def test_it_reads_numbers(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PORT", "81")
    assert env.integer("PORT", least=1) == 81
    monkeypatch.setenv("RUNNER_DRAIN_SECONDS", "0")
    assert env.integer("RUNNER_DRAIN_SECONDS") == 0


@pytest.mark.parametrize("value", ["0", "-3", "1.5", "many", "--5"])
def test_it_refuses_a_number_that_is_none_or_too_small(monkeypatch: pytest.MonkeyPatch, value: str):
    monkeypatch.setenv("WEB_THREADS", value)
    with pytest.raises(ImproperlyConfigured, match="WEB_THREADS must be a whole number from 1"):
        env.integer("WEB_THREADS", least=1)


@pytest.mark.parametrize(("value", "flag"), [("true", True), ("TRUE", True), ("false", False), ("", False)])
def test_it_reads_flags(monkeypatch: pytest.MonkeyPatch, value: str, flag: bool):
    monkeypatch.setenv("DEBUG", value)
    assert env.flag("DEBUG") is flag


@pytest.mark.parametrize("value", ["1", "yes", "on"])
def test_it_refuses_a_flag_that_is_not_spelled_out(monkeypatch: pytest.MonkeyPatch, value: str):
    monkeypatch.setenv("DEBUG", value)
    with pytest.raises(ImproperlyConfigured, match="DEBUG must be true or false"):
        env.flag("DEBUG")


def test_it_refuses_a_choice_that_is_not_offered(monkeypatch: pytest.MonkeyPatch):
    assert env.choice("VISIBILITY", "workspace", "private") == "workspace"
    monkeypatch.setenv("VISIBILITY", "public")
    with pytest.raises(ImproperlyConfigured, match="VISIBILITY must be one of workspace, private, not 'public'"):
        env.choice("VISIBILITY", "workspace", "private")


@pytest.mark.parametrize(("value", "seconds"), [("7/s", 1), ("7/m", 60), ("7/h", 3600), ("7/d", 86_400)])
def test_it_reads_rates(monkeypatch: pytest.MonkeyPatch, value: str, seconds: int):
    monkeypatch.setenv("LIMIT_SENDS", value)
    assert tuple(env.rate("LIMIT_SENDS")) == (7, seconds)


@pytest.mark.parametrize("value", ["7", "7/w", "/m", "-7/m", "7/m/s", "many"])
def test_it_refuses_a_rate_that_is_none(monkeypatch: pytest.MonkeyPatch, value: str):
    monkeypatch.setenv("LIMIT_SENDS", value)
    with pytest.raises(ImproperlyConfigured, match="LIMIT_SENDS must be a rate like 600/m"):
        env.rate("LIMIT_SENDS")


@pytest.mark.parametrize(("value", "chosen"), [("", 5), ("claude, grok", 2), ("none", 0)])
def test_it_reads_some_of_a_list(monkeypatch: pytest.MonkeyPatch, value: str, chosen: int):
    monkeypatch.setenv("IMPORT_LINKS", value)
    assert len(env.subset("IMPORT_LINKS", "chatgpt", "claude", "grok", "branchprompt", "gemini")) == chosen


def test_it_refuses_what_is_not_on_a_list(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("IMPORT_LINKS", "claude,cluade")
    with pytest.raises(ImproperlyConfigured, match="must be some of claude, grok, or none; not cluade"):
        env.subset("IMPORT_LINKS", "claude", "grok")


def test_it_reads_lists_and_pairs(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ALLOWED_HOSTS", " a.example, b.example,, ")
    assert env.words("ALLOWED_HOSTS") == ["a.example", "b.example"]
    monkeypatch.setenv("IMPORT_FETCH_OVERRIDES", "chatgpt.com=http://127.0.0.1:9/x?y=1, grok.com = http://b")
    overrides = {"chatgpt.com": "http://127.0.0.1:9/x?y=1", "grok.com": "http://b"}
    assert env.pairs("IMPORT_FETCH_OVERRIDES") == overrides
    assert env.words("CORS_ORIGINS") == [] and env.pairs("CORS_ORIGINS") == {}


def test_it_reads_servers_with_their_keys(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OPENAI_COMPATIBLE_SERVERS", "local-vllm=http://127.0.0.1:8000/v1, ollama = https://o.example")
    monkeypatch.setenv("LOCAL_VLLM_API_KEY", " sk-local ")
    assert env.servers("OPENAI_COMPATIBLE_SERVERS") == {
        "local-vllm": env.Server("http://127.0.0.1:8000/v1", "sk-local"),
        "ollama": env.Server("https://o.example", ""),
    }


@pytest.mark.parametrize("name", ["openai", "grok", "demo", "xai", "Ollama", "9to5", "a_b", "a" * 40, ""])
def test_it_refuses_a_server_whose_name_is_taken_or_unusable(monkeypatch: pytest.MonkeyPatch, name: str):
    monkeypatch.setenv("OPENAI_COMPATIBLE_SERVERS", f"{name}=http://127.0.0.1:8000/v1")
    with pytest.raises(ImproperlyConfigured, match=f"'{name}' can't be used"):
        env.servers("OPENAI_COMPATIBLE_SERVERS")


@pytest.mark.parametrize("address", ["", "127.0.0.1:8000", "ftp://a.example", "http://", "http:///v1", "https://a b"])
def test_it_refuses_a_server_without_an_address(monkeypatch: pytest.MonkeyPatch, address: str):
    monkeypatch.setenv("OPENAI_COMPATIBLE_SERVERS", f"ollama={address}")
    with pytest.raises(ImproperlyConfigured, match="must give ollama an address like https://"):
        env.servers("OPENAI_COMPATIBLE_SERVERS")


def test_it_uses_the_embedded_database_when_no_other_is_named(tmp_path: Path):
    assert env.uses_embedded_postgres()
    assert env.database(tmp_path)["HOST"] == str(env.socket_dir(tmp_path))


@pytest.mark.parametrize("name", ["DATABASE_URL", *sorted(POSTGRES)])
def test_it_uses_another_database_when_any_part_of_its_address_is_set(monkeypatch: pytest.MonkeyPatch, name: str):
    monkeypatch.setenv(name, "x")
    assert not env.uses_embedded_postgres()


def test_it_reads_a_database_address_with_escapes_and_options(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("POSTGRES_HOST", "not.this.one")
    monkeypatch.setenv("DATABASE_URL", "postgresql://us%40er:p%2Fw%24@db.example:6543/app?sslmode=require")
    assert env.database(tmp_path) == {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "app",
        "USER": "us@er",
        "PASSWORD": "p/w$",
        "HOST": "db.example",
        "PORT": 6543,
        "OPTIONS": {"sslmode": "require"},
    }


def test_it_puts_a_database_address_together_from_its_parts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    for name, value in {"HOST": "db.example", "PORT": "6543", "DB": "app", "USER": "u", "PASSWORD": "p"}.items():
        monkeypatch.setenv(f"POSTGRES_{name}", value)
    assert env.database(tmp_path) == {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "app",
        "USER": "u",
        "PASSWORD": "p",
        "HOST": "db.example",
        "PORT": "6543",
    }


def test_it_spells_redis_for_its_clients_and_for_celery(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    embedded = env.redis_url(tmp_path)
    assert embedded == f"unix://{env.socket_dir(tmp_path)}/valkey.sock?db=0"
    assert env.celery_url(embedded) == f"redis+socket://{env.socket_dir(tmp_path)}/valkey.sock?virtual_host=1"
    monkeypatch.setenv("REDIS_URL", "rediss://:secret@cache.example:6380/3")
    assert env.redis_url(tmp_path) == env.celery_url(env.redis_url(tmp_path)) == "rediss://:secret@cache.example:6380/3"


def test_it_keeps_sockets_of_a_deep_folder_within_a_sockets_path(tmp_path: Path):
    deep, other = tmp_path / ("d" * 200), tmp_path / ("e" * 200)
    assert len(str(env.socket_dir(deep) / ".s.PGSQL.5432")) <= 107
    assert env.socket_dir(deep) != env.socket_dir(other)


def test_it_reads_a_dotenv_file_that_the_environment_overrules(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    tmp_path.joinpath(".env").write_text("# a note\nAPI_TITLE='From the file'\nLOG_LEVEL=DEBUG\nAPP_ENV=production\n")
    monkeypatch.setattr(os, "environ", os.environ.copy() | {"LOG_LEVEL": "ERROR"})
    monkeypatch.setattr(environ.Env, "ENVIRON", os.environ)
    env.load()
    assert (env.text("API_TITLE"), env.text("LOG_LEVEL")) == ("From the file", "ERROR")


@pytest.mark.parametrize(("given", "mode"), [({}, "local"), ({"APP_ENV": "production"}, "production")])
def test_it_takes_the_mode_of_the_running_installation_unless_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, given: dict[str, str], mode: str
):
    tmp_path.joinpath(".data").mkdir()
    env.local_defaults(tmp_path / ".data").write_text("APP_ENV=local\nPORT=8123\n")
    monkeypatch.setattr(os, "environ", os.environ.copy() | given)
    monkeypatch.setattr(environ.Env, "ENVIRON", os.environ)
    env.load()
    assert env.text("APP_ENV") == mode
    assert env.text("PORT") == ("8123" if mode == "local" else "8000")


# ── Search ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("model", "key", "name"),
    [
        ("", "", "offline/wordllama-256"),
        ("", "sk-1", "openai/text-embedding-3-small"),
        ("offline", "sk-1", "offline/wordllama-256"),
        ("openai/nomic-ai/embed:1.5", "", "openai/nomic-ai/embed:1.5"),
    ],
)
def test_it_knows_the_full_name_of_the_embedding_model(
    monkeypatch: pytest.MonkeyPatch, model: str, key: str, name: str
):
    monkeypatch.setenv("EMBEDDING_MODEL", model)
    monkeypatch.setenv("OPENAI_API_KEY", key)
    assert env.embedding_model() == name


@pytest.mark.parametrize("model", ["openai", "openai/", "acme/model", "offline/other", "openai/a b"])
def test_it_refuses_an_embedding_model_of_nobody(monkeypatch: pytest.MonkeyPatch, model: str):
    monkeypatch.setenv("EMBEDDING_MODEL", model)
    with pytest.raises(ImproperlyConfigured, match="EMBEDDING_MODEL"):
        env.embedding_model()


@pytest.mark.parametrize(
    ("value", "lengths"),
    [("", (2000, 2000)), ("2500", (2500, 2500)), ("b=3500", (2000, 3500)), ("a=200,b=8000", (200, 8000))],
)
def test_it_reads_the_length_of_chunks(monkeypatch: pytest.MonkeyPatch, value: str, lengths: tuple[int, int]):
    monkeypatch.setenv("SEARCH_CHUNK_CHARS", value)
    assert env.chunk_characters(["a", "b"]) == dict(zip("ab", lengths, strict=True))


@pytest.mark.parametrize("value", ["199", "8001", "many", "a=many", "c=2000", "a=", "1,2", "-500", "a=2000,500"])
def test_it_refuses_a_length_that_cannot_be(monkeypatch: pytest.MonkeyPatch, value: str):
    monkeypatch.setenv("SEARCH_CHUNK_CHARS", value)
    with pytest.raises(ImproperlyConfigured, match="SEARCH_CHUNK_CHARS"):
        env.chunk_characters(["a", "b"])


def test_it_takes_no_stream_dialect_that_nobody_speaks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAM_DIALECT", "NDJSON")
    assert env.choice("STREAM_DIALECT", *ENCODERS) == "ndjson"
    monkeypatch.setenv("STREAM_DIALECT", "xml")
    with pytest.raises(ImproperlyConfigured, match="STREAM_DIALECT must be one of sse, ndjson"):
        env.choice("STREAM_DIALECT", *ENCODERS)
