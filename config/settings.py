"""Settings of every process; each value that an installation may change comes from `config.env`."""

import sys
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from config import env, limits
from config.schedule import BEAT_SCHEDULE
from config.spectacular import SPECTACULAR

env.load()

BASE_DIR = env.BASE_DIR
DATA_DIR = env.data_dir()
IS_LOCAL = env.text("APP_ENV") == "local"
DEBUG = env.flag("DEBUG")
HOST, PORT = env.text("HOST"), env.integer("PORT", least=1, most=65_535)
FRONTEND_URL = env.text("FRONTEND_URL").rstrip("/")


def _secret_key() -> str:
    if env.is_set("SECRET_KEY") or not IS_LOCAL:
        return env.text("SECRET_KEY")
    from config.local import secret_key

    return secret_key(DATA_DIR)


SECRET_KEY = _secret_key()
if not SECRET_KEY:
    raise ImproperlyConfigured(
        "SECRET_KEY is not set. Production needs one of at least 50 characters; to try Draftloom on this machine, "
        "type `make run` (or set APP_ENV=local)."
    )
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS") or (["*"] if IS_LOCAL else [])
if not ALLOWED_HOSTS:
    raise ImproperlyConfigured(
        "ALLOWED_HOSTS is not set. Production needs the host names it answers to, comma-separated."
    )

_LOCAL_NAME = "localhost" if HOST in {"127.0.0.1", "0.0.0.0", "::1", "::"} else HOST
OWN_URL = f"http://{_LOCAL_NAME}:{PORT}" if IS_LOCAL else f"https://{ALLOWED_HOSTS[0].lstrip('.')}"

# First: it brings an asynchronous `runserver`. To import Twisted is a quarter of what any other process starts with.
_DEVELOPMENT_SERVER = ["daphne"] if sys.argv[1:2] == ["runserver"] else []
INSTALLED_APPS = [
    *_DEVELOPMENT_SERVER,
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.postgres",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.google",
    "rest_framework",
    "corsheaders",
    "channels",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "config",
    "integrations",
    "accounts",
    "llmconfig",
    "conversations",
    "drafts",
    "chat",
    "search",
]
MIDDLEWARE = [
    "config.api.middleware.RequestIdMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "config.api.middleware.RefusalMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "accounts.middleware.AuthenticationMiddleware",
    "accounts.middleware.AuditMiddleware",
    "accounts.middleware.OriginGuardMiddleware",
    "accounts.middleware.SignInFirstMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
ROOT_URLCONF = "config.urls"
ASGI_APPLICATION = "config.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
PROMPTS_DIR = BASE_DIR / "templates" / "prompts"

# ── PostgreSQL and Redis ──────────────────────────────────────────────────────────────────────────────────────────────
DATABASES: dict[str, dict[str, Any]] = {"default": env.database(DATA_DIR)}
DATABASES["default"] |= {"CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True, "DISABLE_SERVER_SIDE_CURSORS": True}
DATABASES["default"].setdefault("OPTIONS", {}).setdefault("connect_timeout", 5)
DATABASES["default"]["OPTIONS"].setdefault(
    "options", "-c statement_timeout=15s -c lock_timeout=5s -c idle_in_transaction_session_timeout=60s"
)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
REDIS_URL = env.redis_url(DATA_DIR)

CELERY_BROKER_URL = env.celery_url(REDIS_URL)
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_SOFT_TIME_LIMIT, CELERY_TASK_TIME_LIMIT = 120, 150  # below the visibility timeout, always
CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 300, "socket_timeout": 5}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BEAT_SCHEDULE = BEAT_SCHEDULE

# ── People ────────────────────────────────────────────────────────────────────────────────────────────────────────────
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["accounts.backends.Backend"]
AUTH_PASSWORD_VALIDATORS: list[dict[str, str]] = []  # nobody has a password
SESSION_ENGINE = "accounts.sessions"
SESSION_COOKIE_NAME = "session_token"
SESSION_COOKIE_AGE = env.integer("SESSION_EXPIRE_HOURS", least=1) * 3600
SESSION_COOKIE_SAMESITE = env.choice(
    "SESSION_COOKIE_SAMESITE", "Lax", "None"
)  # `Strict` would not come back from Google
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = not IS_LOCAL
LOGIN_LINK_SECONDS = 24 * 3600
GOOGLE_CLIENT_ID, GOOGLE_CLIENT_SECRET = env.text("GOOGLE_CLIENT_ID"), env.text("GOOGLE_CLIENT_SECRET")
GOOGLE_REDIRECT_URI = env.text("GOOGLE_REDIRECT_URI") or f"{OWN_URL}/api/auth/callback"
AUTH_ALLOWED_EMAIL_DOMAINS = [word.lower().removeprefix("@") for word in env.words("AUTH_ALLOWED_EMAIL_DOMAINS")]
_GOOGLE = env.pairs("GOOGLE_ENDPOINTS")
_NAMES = {"AUTHORIZE_URL": "authorize", "ACCESS_TOKEN_URL": "token", "CERTS_URL": "certs", "ID_TOKEN_ISSUER": "issuer"}
SOCIALACCOUNT_PROVIDERS = {
    "google": {
        "SCOPE": ["openid", "email", "profile"],
        "AUTH_PARAMS": {"access_type": "online", "prompt": "select_account"},
        "OAUTH_PKCE_ENABLED": True,
    }
    | {setting: _GOOGLE[name] for setting, name in _NAMES.items() if name in _GOOGLE}
}
SOCIALACCOUNT_ONLY = True
ACCOUNT_EMAIL_VERIFICATION = "none"  # Google has verified it
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS, ACCOUNT_SIGNUP_FIELDS = {"email"}, ["email*"]
VISIBILITY = env.choice("VISIBILITY", "workspace", "private")
DELETED_KEPT_DAYS = env.integer("DELETED_KEPT_DAYS", most=3650)

# ── The web ───────────────────────────────────────────────────────────────────────────────────────────────────────────
CORS_ALLOWED_ORIGINS = sorted({*env.words("CORS_ORIGINS"), *([FRONTEND_URL] if FRONTEND_URL else [])})
CORS_ALLOW_CREDENTIALS = True
CORS_PREFLIGHT_MAX_AGE = 600
CORS_ALLOW_HEADERS = [
    "accept",
    "content-type",
    "idempotency-key",
    "if-match",
    "if-none-match",
    "last-event-id",
    "x-api-key",
]
CORS_EXPOSE_HEADERS = ["X-Run-Id", "ETag", "Retry-After", "Idempotent-Replayed", "Location", "X-Request-Id"]
CSRF_TRUSTED_ORIGINS = CORS_ALLOWED_ORIGINS
APPEND_SLASH = False
SECURE_SSL_REDIRECT = not IS_LOCAL
SECURE_REDIRECT_EXEMPT = [r"^health"]
SECURE_HSTS_SECONDS = 0 if IS_LOCAL else 31_536_000
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = not IS_LOCAL
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_REFERRER_POLICY = "no-referrer"
X_FRAME_OPTIONS = "DENY"
STATIC_URL = "static/"
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False
WEB_THREADS = env.integer("WEB_THREADS", least=1)
FILE_UPLOAD_HANDLERS = ["config.api.uploads.SpooledUploadHandler"]
DATA_UPLOAD_MAX_MEMORY_SIZE = limits.IMPORT_BYTES + limits.MULTIPART_BYTES  # the bridge refuses by route, before this
LANGUAGE_CODE, TIME_ZONE, USE_TZ, USE_I18N = "en", "UTC", True, False

API_TITLE = env.text("API_TITLE")
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "accounts.authentication.SessionAuthentication",
        "accounts.authentication.KeyAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["accounts.permissions.HasScope"],
    "DEFAULT_RENDERER_CLASSES": ["config.api.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["config.api.parsers.StrictJSONParser"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "config.api.renderers.NeverRefuse",
    "EXCEPTION_HANDLER": "config.api.errors.exception_handler",
    "DEFAULT_SCHEMA_CLASS": "config.api.schema.Schema",
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
    "DATETIME_FORMAT": None,  # the renderer writes times
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS = {"TITLE": API_TITLE, **SPECTACULAR}

# ── Files ─────────────────────────────────────────────────────────────────────────────────────────────────────────────
AWS_S3_BUCKET_NAME, AWS_REGION = env.text("AWS_S3_BUCKET_NAME"), env.text("AWS_REGION")
AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY = env.text("AWS_ACCESS_KEY_ID"), env.text("AWS_SECRET_ACCESS_KEY")
AWS_S3_ENDPOINT_URL = env.text("AWS_S3_ENDPOINT_URL")
FILE_URL_TTL = env.integer("FILE_URL_TTL", least=1, most=604_800)  # S3 signs for a week at most
LIMIT_UPLOADS = env.rate("LIMIT_UPLOADS")
LIMIT_STORAGE_PER_USER = env.integer("LIMIT_STORAGE_PER_USER", most=2**62)

# ── Language models, imports and runs ─────────────────────────────────────────────────────────────────────────────────
OPENAI_API_KEY, OPENAI_BASE_URL = env.text("OPENAI_API_KEY"), env.text("OPENAI_BASE_URL")
ANTHROPIC_API_KEY, ANTHROPIC_BASE_URL = env.text("ANTHROPIC_API_KEY"), env.text("ANTHROPIC_BASE_URL")
XAI_API_KEY, XAI_BASE_URL = env.text("XAI_API_KEY"), env.text("XAI_BASE_URL")
OPENAI_COMPATIBLE_SERVERS = env.servers("OPENAI_COMPATIBLE_SERVERS")
EMBEDDING_MODEL = env.embedding_model()
SEARCH_CHUNK_CHARS = env.chunk_characters(("imported_chat", "draft_chat", "project_draft", "attachment"))
MAX_COMPLETION_TOKENS = env.integer("PROJECT_DRAFT_MAX_COMPLETION_TOKENS", least=1)
LINEAR_ACCESS_KEY, LINEAR_TEAM_KEY = env.text("LINEAR_ACCESS_KEY"), env.text("LINEAR_TEAM_KEY")
LINEAR_API_URL = env.text("LINEAR_API_URL")
LINEAR_SECONDS = 10.0  # for one call; a member waits for up to four of them
LINEAR_DOUBT_SECONDS = 120.0  # so long after the last call, what is not there will not come any more
MEM0_API_URL, MEM0_USER_ID = env.text("MEM0_API_URL"), env.text("MEM0_USER_ID")
METACOGNITION_API_URL = env.text("METACOGNITION_API_URL")
METACOGNITION_AUTH_TOKEN = env.text("METACOGNITION_AUTH_TOKEN")
SUMMARY_WINDOW_PERCENT = env.integer("SUMMARY_WINDOW_PERCENT", least=1, most=100)
IMPORT_FETCH_OVERRIDES = env.pairs("IMPORT_FETCH_OVERRIDES")
IMPORT_LINKS = env.subset("IMPORT_LINKS", "chatgpt", "claude", "grok", "branchprompt", "gemini")
IMPORT_OBEYS_ROBOTS = env.flag("IMPORT_OBEYS_ROBOTS")
RUN_LEASE_SECONDS = env.integer("RUN_LEASE_SECONDS", least=2)
RUNNER_CONCURRENCY = env.integer("RUNNER_CONCURRENCY", least=1)
RUNNER_DRAIN_SECONDS = env.integer("RUNNER_DRAIN_SECONDS")
TOOL_ROUNDS, TOOL_CALLS_PER_ROUND = 8, 4
TOOL_APPROVAL = env.choice("TOOL_APPROVAL", "required", "auto")
STREAM_DIALECT = env.choice("STREAM_DIALECT", "sse", "ndjson")
FAILPOINTS = env.chances("FAILPOINTS")

LIMIT_SIGN_INS = env.rate("LIMIT_SIGN_INS")
LIMIT_SENDS, LIMIT_IMPORTS = env.rate("LIMIT_SENDS"), env.rate("LIMIT_IMPORTS")
LIMIT_ARCHIVE_BYTES = env.integer("LIMIT_ARCHIVE_BYTES", least=1)
LIMIT_RUNS_PER_USER = env.integer("LIMIT_RUNS_PER_USER", least=1)
LIMIT_STREAMS_PER_USER = env.integer("LIMIT_STREAMS_PER_USER", least=1)
LIMIT_STREAMS_PER_PROCESS = env.integer("LIMIT_STREAMS_PER_PROCESS", least=1)

LOG_LEVEL = env.choice("LOG_LEVEL", "DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"},
        "json": {"format": "%(message)s"},
    },
    "handlers": {
        "console": {"class": "logging.StreamHandler", "formatter": "line"},
        "audit": {"class": "logging.StreamHandler", "formatter": "json"},
    },
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {
        name: {"level": LOG_LEVEL}
        for name in ("accounts", "chat", "config", "conversations", "drafts", "integrations", "llmconfig", "search")
    }
    | {
        "accounts.audit": {"handlers": ["audit"], "level": "INFO", "propagate": False},  # whatever LOG_LEVEL says
        "celery.app.trace": {"level": "WARNING"},  # tasks that succeed are no news: there may be one a second
        "celery.worker.strategy": {"level": "WARNING"},
        "django.request": {"level": "ERROR"},  # a refusal is no news, and its path may hold a sign-in link
    },
}
