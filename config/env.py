"""The environment: every variable, its default and its meaning, and the only place that reads it.

`.env.example` and the README's table hold the same rows; `config/tests/test_env.py` compares the three.
"""

import hashlib
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import environ
from django.core.exceptions import ImproperlyConfigured

from config.limits import Rate

BASE_DIR = Path(__file__).resolve().parent.parent


class Variable(NamedTuple):
    default: str
    meaning: str


VARIABLES: dict[str, Variable] = {
    "APP_ENV": Variable("production", "`local` (what `make run` sets) or `production`"),
    "SECRET_KEY": Variable("", "signs cookies and links; at least 50 characters; made by itself in local mode"),
    "ALLOWED_HOSTS": Variable("", "host names this server answers to, comma-separated; needed in production"),
    "DEBUG": Variable("false", "`true` shows tracebacks to the browser; nothing else changes"),
    "HOST": Variable("127.0.0.1", "address to listen on"),
    "PORT": Variable("8000", "port to listen on"),
    "DATA_DIR": Variable(".data", "where the embedded servers, files and the local secret live"),
    "DATABASE_URL": Variable("", "PostgreSQL 16+ with pgvector; unset means the embedded server"),
    "POSTGRES_HOST": Variable(
        "localhost", "used with the other POSTGRES_* when any of them is set and DATABASE_URL is not"
    ),
    "POSTGRES_PORT": Variable("5432", "see POSTGRES_HOST"),
    "POSTGRES_DB": Variable("draftloom", "see POSTGRES_HOST"),
    "POSTGRES_USER": Variable("postgres", "see POSTGRES_HOST"),
    "POSTGRES_PASSWORD": Variable("", "see POSTGRES_HOST"),
    "REDIS_URL": Variable("", "Redis 6.2+ or Valkey; unset means the embedded server"),
    "LOG_LEVEL": Variable("INFO", "of our loggers and the server's"),
    "CORS_ORIGINS": Variable("", "origins of browser clients on other hosts, comma-separated"),
    "FRONTEND_URL": Variable("", "where the SPA lives; unset means the page this server shows at /"),
    "SESSION_EXPIRE_HOURS": Variable("24", "how long a sign-in lasts"),
    "SESSION_COOKIE_SAMESITE": Variable("Lax", "`None` for an SPA on another site"),
    "VISIBILITY": Variable(
        "workspace", "`workspace`: members share all conversations; `private`: importer and operators only"
    ),
    "DELETED_KEPT_DAYS": Variable("30", "days for which a deleted conversation can be restored; then it is gone"),
    "GOOGLE_CLIENT_ID": Variable("", "with GOOGLE_CLIENT_SECRET: switches Google sign-in on"),
    "GOOGLE_CLIENT_SECRET": Variable("", "see GOOGLE_CLIENT_ID"),
    "GOOGLE_REDIRECT_URI": Variable("", "sent to Google exactly; unset means `/api/auth/callback` of this server"),
    "GOOGLE_ENDPOINTS": Variable(
        "", "`authorize=url,token=url,certs=url,issuer=url` in place of Google's own, for tests"
    ),
    "AUTH_ALLOWED_EMAIL_DOMAINS": Variable(
        "", "who may sign in with Google, comma-separated; unset means any verified address"
    ),
    "OPENAI_API_KEY": Variable("", "switches OpenAI on"),
    "OPENAI_BASE_URL": Variable("https://api.openai.com/v1", "OpenAI's address, or that of a compatible server"),
    "ANTHROPIC_API_KEY": Variable("", "switches Anthropic on"),
    "ANTHROPIC_BASE_URL": Variable("https://api.anthropic.com", "Anthropic's address"),
    "XAI_API_KEY": Variable("", "switches Grok on"),
    "XAI_BASE_URL": Variable("https://api.x.ai/v1", "xAI's address"),
    "OPENAI_COMPATIBLE_SERVERS": Variable(
        "", "`name=url,…`: further servers that speak OpenAI's Chat Completions, each with its key in `<NAME>_API_KEY`"
    ),
    "LINEAR_ACCESS_KEY": Variable("", "with LINEAR_TEAM_KEY: switches projects in Linear on"),
    "LINEAR_TEAM_KEY": Variable("", "the short key of the team that gets the projects, such as `ENG`"),
    "LINEAR_API_URL": Variable("https://api.linear.app/graphql", "Linear's address"),
    "EMBEDDING_MODEL": Variable(
        "",
        "what search compares meanings with: `offline`, or `openai/<model>` with OpenAI's key; unset means "
        "`openai/text-embedding-3-small` with the key, `offline` without",
    ),
    "SEARCH_CHUNK_CHARS": Variable(
        "2000", "length of the pieces that search indexes; `imported_chat=2500,project_draft=3500` for some sources"
    ),
    "MEM0_API_URL": Variable("", "switches memories on: the address of a Mem0 server"),
    "MEM0_USER_ID": Variable("", "whose memories are searched there"),
    "METACOGNITION_API_URL": Variable(
        "", "the address of a summariser; unset means that a model of ours writes the summaries"
    ),
    "METACOGNITION_AUTH_TOKEN": Variable("", "what the summariser is shown"),
    "SUMMARY_WINDOW_PERCENT": Variable(
        "50", "a chat that fills more of its model's window is summarised for the chat about its draft; 100: none is"
    ),
    "IMPORT_FETCH_OVERRIDES": Variable("", "local mode only: `host=url,…` fetches share links of a host elsewhere"),
    "IMPORT_LINKS": Variable(
        "chatgpt,claude,grok,branchprompt,gemini", "sites whose share links are fetched; `none` switches all off"
    ),
    "IMPORT_OBEYS_ROBOTS": Variable("true", "`false` fetches share links whatever a site's robots.txt says"),
    "API_TITLE": Variable("Draftloom API", "the name in `GET /` and in the API's documentation"),
    "PROJECT_DRAFT_MAX_COMPLETION_TOKENS": Variable("2048", "cap on the visible text of one answer"),
    "TOOL_APPROVAL": Variable("required", "`auto` lets a model act outside of Draftloom without asking a member first"),
    "STREAM_DIALECT": Variable("sse", "how streams are written unless a client asks otherwise: `sse` or `ndjson`"),
    "AWS_S3_BUCKET_NAME": Variable("", "keeps uploaded files in this bucket; unset means a folder under DATA_DIR"),
    "AWS_REGION": Variable("us-east-1", "of the bucket"),
    "AWS_ACCESS_KEY_ID": Variable(
        "", "with AWS_SECRET_ACCESS_KEY: for the bucket; unset means where boto3 finds credentials"
    ),
    "AWS_SECRET_ACCESS_KEY": Variable("", "see AWS_ACCESS_KEY_ID"),
    "AWS_S3_ENDPOINT_URL": Variable("", "address of another server that speaks S3; browsers must reach it, too"),
    "FILE_URL_TTL": Variable("300", "seconds for which a link to a file works"),
    "LIMIT_SIGN_INS": Variable(
        "60/m", "attempts of one address to sign in, and as many keys that do not fit; s, m, h and d are the units"
    ),
    "LIMIT_SENDS": Variable("600/m", "chat messages of one person"),
    "LIMIT_IMPORTS": Variable("600/h", "imports and generated drafts of one person"),
    "LIMIT_ARCHIVE_BYTES": Variable("209715200", "the size of an archive that is uploaded to be imported"),
    "LIMIT_UPLOADS": Variable("600/h", "files that one person uploads"),
    "LIMIT_STORAGE_PER_USER": Variable("2147483648", "bytes of all files that one person has uploaded"),
    "LIMIT_RUNS_PER_USER": Variable("100", "runs of one person that are not over yet"),
    "LIMIT_STREAMS_PER_USER": Variable("200", "streams of one person that one web process keeps open"),
    "LIMIT_STREAMS_PER_PROCESS": Variable("1000", "streams that one web process keeps open"),
    "RUN_LEASE_SECONDS": Variable("8", "a run whose runner is silent for so long goes to another runner"),
    "RUNNER_CONCURRENCY": Variable("100", "runs that one runner process executes at once"),
    "RUNNER_DRAIN_SECONDS": Variable(
        "30", "how long a runner told to stop goes on with what it has; 0 under `make run`"
    ),
    "WEB_THREADS": Variable("4", "threads of one web process that answer requests"),
    "FAILPOINTS": Variable(
        "", "local mode only: `name=chance,…` kills the process at that point with that chance; see `bench/README.md`"
    ),
}

PROVIDER_NAME = re.compile(r"[a-z][a-z0-9-]{0,38}")
BUILT_IN_PROVIDERS = {"openai", "anthropic", "grok", "xai", "demo"}


class Server(NamedTuple):
    """A server that speaks OpenAI's Chat Completions; `key` is empty if it needs none."""

    address: str
    key: str


_env = environ.Env()


def local_defaults(data_dir: Path) -> Path:
    """The file in which `make run` leaves its mode, so that a command beside it acts on the same installation."""
    return data_dir / "local.env"


def data_dir() -> Path:
    return (BASE_DIR / (os.environ.get("DATA_DIR") or VARIABLES["DATA_DIR"].default)).resolve()


def load() -> None:
    """Reads `.env` and, where no mode is set, what `make run` left; what the environment already holds wins."""
    if (file := BASE_DIR / ".env").is_file():
        environ.Env.read_env(str(file), overwrite=False)
    if not is_set("APP_ENV") and os.access(file := local_defaults(data_dir()), os.R_OK):
        environ.Env.read_env(str(file), overwrite=False)


def text(name: str) -> str:
    return os.environ.get(name, "").strip() or VARIABLES[name].default


def is_set(name: str) -> bool:
    return bool(os.environ.get(name, "").strip())


def integer(name: str, *, least: int = 0, most: int = 10**9) -> int:
    value = text(name)
    if not re.fullmatch(r"-?[0-9]{1,18}", value) or not least <= int(value) <= most:
        raise ImproperlyConfigured(f"{name} must be a whole number from {least} to {most}, not {value!r}.")
    return int(value)


def flag(name: str) -> bool:
    value = text(name).lower()
    if value not in {"true", "false"}:
        raise ImproperlyConfigured(f"{name} must be true or false, not {value!r}.")
    return value == "true"


def choice(name: str, *allowed: str) -> str:
    value = next((word for word in allowed if word.lower() == text(name).lower()), None)
    if value is None:
        raise ImproperlyConfigured(f"{name} must be one of {', '.join(allowed)}, not {text(name)!r}.")
    return value


def rate(name: str) -> Rate:
    """A rate such as `600/m`: so many a second (s), minute (m), hour (h) or day (d)."""
    match = re.fullmatch(r"([0-9]+)/([smhd])", text(name))
    if not match:
        raise ImproperlyConfigured(f"{name} must be a rate like 600/m, not {text(name)!r}.")
    return Rate(int(match[1]), {"s": 1, "m": 60, "h": 3600, "d": 86_400}[match[2]])


def words(name: str) -> list[str]:
    return [word.strip() for word in text(name).split(",") if word.strip()]


def subset(name: str, *allowed: str) -> list[str]:
    """Some of `allowed`, comma-separated; `none` stands for none of them."""
    chosen = [] if text(name) == "none" else words(name)
    if unknown := set(chosen) - set(allowed):
        raise ImproperlyConfigured(f"{name} must be some of {', '.join(allowed)}, or none; not {', '.join(unknown)}.")
    return chosen


def pairs(name: str) -> dict[str, str]:
    """`a=b,c=d` as a dictionary."""
    return {key.strip(): value.strip() for key, _, value in (word.partition("=") for word in words(name))}


def servers(name: str) -> dict[str, Server]:
    """`a=http://…,b=https://…` as servers, each with its key in `A_API_KEY`, `B_API_KEY`."""
    return {key: _server(name, key, address) for key, address in pairs(name).items()}


def _server(name: str, key: str, address: str) -> Server:
    if not PROVIDER_NAME.fullmatch(key) or key in BUILT_IN_PROVIDERS:
        raise ImproperlyConfigured(
            f"{name} must name its servers in small letters, digits and hyphens, and not like a provider that is "
            f"built in ({', '.join(sorted(BUILT_IN_PROVIDERS))}): {key!r} can't be used."
        )
    if not re.fullmatch(r"https?://[^\s/]+(/\S*)?", address):
        raise ImproperlyConfigured(f"{name} must give {key} an address like https://models.example.org/v1.")
    return Server(address, os.environ.get(f"{key.upper().replace('-', '_')}_API_KEY", "").strip())


def chances(name: str) -> dict[str, float]:
    """`a=0.01,b=1` as a dictionary of probabilities."""
    try:
        return {key: _chance(value) for key, value in pairs(name).items()}
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} must be like `a=0.01,b=1`, each from 0 to 1.") from error


def _chance(value: str) -> float:
    chance = float(value)
    if not 0 <= chance <= 1:
        raise ValueError(value)
    return chance


def embedding_model() -> str:
    """`<provider>/<model>`, also where the variable says less or nothing."""
    value = text("EMBEDDING_MODEL") or ("openai/text-embedding-3-small" if is_set("OPENAI_API_KEY") else "offline")
    name = "offline/wordllama-256" if value == "offline" else value
    if not re.fullmatch(r"offline/wordllama-256|openai/\S{1,120}", name):
        raise ImproperlyConfigured(f"EMBEDDING_MODEL must be `offline` or `openai/<model>`, not {value!r}.")
    return name


def chunk_characters(sources: Iterable[str]) -> dict[str, int]:
    """Of each source, how many characters a piece of its text may have: one number for all, or `source=number,…`."""
    given, rest = pairs("SEARCH_CHUNK_CHARS"), VARIABLES["SEARCH_CHUNK_CHARS"].default
    if len(given) == 1 and not any(given.values()):
        given, rest = {}, next(iter(given))
    values = {source: given.pop(source, rest) for source in sources}
    if given or not all(re.fullmatch(r"[0-9]{3,4}", value) and 200 <= int(value) <= 8000 for value in values.values()):
        raise ImproperlyConfigured(
            "SEARCH_CHUNK_CHARS must be a whole number from 200 to 8000, or `source=number,…` for some of "
            f"{', '.join(values)}, not {text('SEARCH_CHUNK_CHARS')!r}."
        )
    return {source: int(value) for source, value in values.items()}


def socket_dir(data_dir: Path) -> Path:
    """Where the embedded servers of `data_dir` have their sockets: short, as a socket's path has at most 107 bytes."""
    digest = hashlib.sha256(str(data_dir).encode()).hexdigest()[:12]
    return Path("/tmp") / f"draftloom-{os.getuid()}-{digest}"


def uses_embedded_postgres() -> bool:
    return not any(is_set(name) for name in VARIABLES if name == "DATABASE_URL" or name.startswith("POSTGRES_"))


def database(data_dir: Path) -> dict[str, Any]:
    """Django's settings of the one database."""
    config: dict[str, Any]
    if is_set("DATABASE_URL"):
        config = dict(_env.db("DATABASE_URL", engine="django.db.backends.postgresql"))
    elif uses_embedded_postgres():
        config = {"NAME": "draftloom", "USER": "postgres", "HOST": str(socket_dir(data_dir)), "PORT": "5432"}
    else:
        names = {"NAME": "DB", "USER": "USER", "PASSWORD": "PASSWORD", "HOST": "HOST", "PORT": "PORT"}
        config = {key: text(f"POSTGRES_{name}") for key, name in names.items()}
    return config | {"ENGINE": "django.db.backends.postgresql"}


def redis_url(data_dir: Path) -> str:
    return text("REDIS_URL") or f"unix://{quote(str(socket_dir(data_dir) / 'valkey.sock'))}?db=0"


def celery_url(url: str) -> str:
    """The same Redis as Celery spells it, with a database of its own when it is the embedded one."""
    if not url.startswith("unix://"):
        return url
    return "redis+socket://" + url.removeprefix("unix://").partition("?")[0] + "?virtual_host=1"
