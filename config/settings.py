"""Every setting of the service, read from the environment once, strictly."""

import os
import sys
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

from config import broker_urls, environment
from config.middleware import cors
from config.monitoring import logs
from config.redis.urls import is_cluster

BASE_DIR = Path(__file__).resolve().parent.parent
env = environment.load(BASE_DIR)

# --- Django -----------------------------------------------------------------------------------

# Anyone who knows this key can sign in as an administrator. The web server refuses to start without
# it (config/wsgi.py); commands that sign nothing do not need it. Django's own check of a deployment
# asks for this length.
SECRET_KEY = env.secret("DJANGO_SECRET_KEY", length=50)
DEBUG = env.flag("DJANGO_DEBUG", False)
ALLOWED_HOSTS = env.items("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]")

INSTALLED_APPS = [
    "config.admin.site.AdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_celery_beat",
    "events",
    "projects",
    "analytics",
    "importer",
]

MIDDLEWARE = [
    "events.monitoring.exposition.middleware",
    "config.monitoring.request_id.middleware",
    "config.middleware.access_log.middleware",
    "django.middleware.security.SecurityMiddleware",
    "config.middleware.content_security.middleware",
    "config.middleware.cors.middleware",
    "config.server.refusals.middleware",
    "config.middleware.rate_limit.middleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "config.middleware.impossible_values.middleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
APPEND_SLASH = False
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

_VALIDATION = "django.contrib.auth.password_validation."
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"{_VALIDATION}MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": f"{_VALIDATION}UserAttributeSimilarityValidator"},
    {"NAME": f"{_VALIDATION}CommonPasswordValidator"},
    {"NAME": f"{_VALIDATION}NumericPasswordValidator"},
]

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

# The default also prepares to keep the admin's messages in a cookie, at every request to the API.
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"

STATIC_URL = "/static/"
# Where collectstatic puts files; without it they are served straight from the packages' folders,
# so that the one-machine stack needs no collectstatic before its first page.
STATIC_ROOT = env.text("STATIC_ROOT", "") or None
WHITENOISE_USE_FINDERS = True

# --- PostgreSQL -------------------------------------------------------------------------------

POSTGRES_POOL_SIZE = env.number("POSTGRES_POOL_SIZE", 8, minimum=1)
# A host that vanishes without a word fails whoever waits for it within 15 s, sending or listening;
# the kernel's own limits are 15 minutes and 2 hours. No statement_timeout: the server keeps it, so
# it helps against none that is gone, and verify_stores and migrations may take any time.
_SILENCE = {
    "keepalives": 1,
    "keepalives_idle": 5,
    "keepalives_interval": 5,
    "keepalives_count": 2,
    "tcp_user_timeout": 15_000,
}


def _postgres(url: str) -> dict[str, object]:
    """Django's DATABASES entry of `postgresql://user:password@host:port/name?option=…`."""
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query))
    return {
        # Django's own, counted: docs/adr/0005-django-prometheus.md.
        "ENGINE": "django_prometheus.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": options.pop("host", parts.hostname or ""),
        "PORT": str(parts.port or ""),
        "OPTIONS": {
            # Seconds to wait for a connection: past that the answer is 503, not a longer queue.
            "pool": {"min_size": 1, "max_size": POSTGRES_POOL_SIZE, "timeout": 5},
            "connect_timeout": 5,
            **_SILENCE,
            **options,
        },
        # Behind PgBouncer the next statement may find itself on another connection than its cursor.
        "DISABLE_SERVER_SIDE_CURSORS": True,
    }


DATABASE_URL = env.address(
    "DATABASE_URL", "postgresql://localhost/events", "postgres", "postgresql"
)
DATABASES = {"default": _postgres(DATABASE_URL)}

# --- Redis and Celery -------------------------------------------------------------------------

REDIS_URL = env.text("REDIS_URL", "redis://localhost:6379/0")
# The rate limit writes at every request what may be lost: a Redis that keeps the queue on disk
# would do an fsync for it.
RATE_LIMIT_REDIS_URL = env.text("RATE_LIMIT_REDIS_URL", REDIS_URL)


def _redis(url: str, *, connect: float = 2, answer: float = 5) -> dict[str, object]:
    options = {"SOCKET_CONNECT_TIMEOUT": connect, "SOCKET_TIMEOUT": answer}
    cluster = {"CONNECTION_FACTORY": "config.redis.cluster.Factory"} if is_cluster(url) else {}
    # Django would take a comma for two servers, of which the second only repeats the first.
    return {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": [url],
        "OPTIONS": {**options, **cluster},
    }


CACHES = {
    "default": _redis(REDIS_URL),
    "rate_limit": _redis(RATE_LIMIT_REDIS_URL),
    # Signs of life, which a worker gives between two messages: it waits for no more than that.
    "liveness": _redis(RATE_LIMIT_REDIS_URL, connect=0.5, answer=0.5),
}
CELERY_BROKER_URL = env.text("CELERY_BROKER_URL", REDIS_URL)
_VISIBILITY_TIMEOUT = env.number("QUEUE_VISIBILITY_TIMEOUT_SECONDS", 60, minimum=5)
CELERY_BROKER_TRANSPORT_OPTIONS = broker_urls.options(
    CELERY_BROKER_URL, visibility_timeout=_VISIBILITY_TIMEOUT
)
# After so long RabbitMQ takes a worker that says nothing for vanished; Redis knows no heartbeats.
CELERY_BROKER_HEARTBEAT = _VISIBILITY_TIMEOUT
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
# Around each task Celery would close the process's whole pool, under the threads that use it;
# config/celery.py gives back the connection of the task alone.
CELERY_DB_REUSE_MAX = sys.maxsize
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
# Messages a worker process may hold unacknowledged, per child: enough to fill batches of small
# requests, few enough for frames of 1,000 events to fit in memory.
CELERY_WORKER_PREFETCH_MULTIPLIER = env.number("WORKER_PREFETCH", 100, minimum=1)
# Children of a worker, each of which stores a batch at a time.
CELERY_WORKER_CONCURRENCY = env.number("WORKER_CONCURRENCY", 2, minimum=1)
# A child that has not said by then that it is up is killed. Celery's 4 s are too few for a busy
# machine.
CELERY_WORKER_PROC_ALIVE_TIMEOUT = 60
CELERY_WORKER_CONSUMER = "config.brokers.consumer:Consumer"
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_SEND_TASK_EVENTS = False

# --- ClickHouse -------------------------------------------------------------------------------

# http://user:password@host:port/database
CLICKHOUSE_URL = env.address(
    "CLICKHOUSE_URL", "http://default@localhost:8123/default", "https", "http"
)
CLICKHOUSE_QUERY_TIMEOUT_SECONDS = env.number("CLICKHOUSE_QUERY_TIMEOUT_SECONDS", 30, minimum=1)
# Of one report. Past a third of it intermediate results go to the server's disk, which is slower.
CLICKHOUSE_QUERY_MEGABYTES = env.number("CLICKHOUSE_QUERY_MEGABYTES", 1024, minimum=16)
# Rows that one report may read; 0 for as many as there are.
CLICKHOUSE_QUERY_ROWS = env.number("CLICKHOUSE_QUERY_ROWS", 0)
# A block with its rollups takes about 0.1 s; past this the server is stuck, and the delivery is
# repeated under the same token.
CLICKHOUSE_INSERT_TIMEOUT_SECONDS = env.number("CLICKHOUSE_INSERT_TIMEOUT_SECONDS", 60, minimum=1)
# Sends blocks through the Buffer engine, without deduplication tokens: see docs/configuration.md.
CLICKHOUSE_USE_BUFFER = env.flag("CLICKHOUSE_USE_BUFFER", False)
# A cluster of the servers' configuration (remote_servers), over which the tables are spread.
CLICKHOUSE_CLUSTER = env.word("CLICKHOUSE_CLUSTER")
if CLICKHOUSE_CLUSTER and CLICKHOUSE_USE_BUFFER:
    raise ImproperlyConfigured(
        "CLICKHOUSE_USE_BUFFER is for one server, and CLICKHOUSE_CLUSTER is set"
    )

# --- Web --------------------------------------------------------------------------------------

# What a web process may take of memory, whatever arrives at once: config/memory/room.py.
WEB_MEMORY_MEGABYTES = env.number("WEB_MEMORY_MEGABYTES", 280, minimum=280)

# --- Ingest -----------------------------------------------------------------------------------

# Events that share one PostgreSQL transaction and, at most, one block sent to ClickHouse.
CLICKHOUSE_BATCH_SIZE = env.number("CLICKHOUSE_BATCH_SIZE", 10_000, minimum=1)
# How long a delivery waits for batches to share its block, unless they fill one. A block costs
# ClickHouse 40 to 90 ms of a core however small it is: for one a tenth of a second, a core.
DELIVERY_LINGER_MILLISECONDS = env.number("DELIVERY_LINGER_MILLISECONDS", 500)
# Events that may wait on the queue; past that POST /events answers 503.
QUEUE_LIMIT_EVENTS = env.number("QUEUE_LIMIT_EVENTS", 1_000_000, minimum=1)
HOT_WINDOW_DAYS = env.number("HOT_WINDOW_DAYS", 7, minimum=1)
# How long ids and delivered batches are remembered; 0 is for ever.
DEDUP_DAYS = env.number("DEDUP_DAYS", 0)
BATCH_DAYS = env.number("BATCH_DAYS", 30)
# What is kept of the events refused at the door: so long, and no more than so much of the newest.
REJECTED_DAYS = env.number("REJECTED_DAYS", 7)
REJECTED_MAX_ROWS = env.number("REJECTED_MAX_ROWS", 100_000)
REJECTED_MAX_MEGABYTES = env.number("REJECTED_MAX_MEGABYTES", 100)

# --- Access -----------------------------------------------------------------------------------

# Of the API, for all but /health, /ready, /openapi.json and /docs.
API_KEYS_REQUIRED = env.flag("API_KEYS_REQUIRED", True)
RATE_LIMIT_PER_MINUTE = env.number("RATE_LIMIT_PER_MINUTE", 1000, minimum=0)
RATE_LIMIT_OF_KEY = "projects.authentication.own_limit"
# Tries to log in to the admin a minute, of an address and of a user name; 0 for any number.
LOGIN_LIMIT_PER_MINUTE = env.number("LOGIN_LIMIT_PER_MINUTE", 5)
# Origins whose pages may have browsers post events, or *.
CORS_ORIGINS = cors.origins(env.items("CORS_ORIGINS", ""))
# How many proxies in front of the service add themselves to X-Forwarded-For; 0 believes none.
TRUSTED_PROXIES = env.number("TRUSTED_PROXIES", 0)
# The first of ours sets it to how the client came, whatever that said itself.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUSTED_PROXIES else None
# Behind TLS: sends whoever comes without it there, and keeps cookies and browsers to it.
HTTPS_ONLY = env.flag("HTTPS_ONLY", False)
SECURE_SSL_REDIRECT = SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS_ONLY
# Asked from inside, behind whatever ends TLS.
SECURE_REDIRECT_EXEMPT = ["^(health|ready|metrics)$"]
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if HTTPS_ONLY else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS_ONLY
# Asks for SECURE_HSTS_PRELOAD: a list in browsers that a domain leaves only after months. That is
# for its owner to decide, not for a service on one of its names.
SILENCED_SYSTEM_CHECKS = ["security.W021"]

# --- Imports ----------------------------------------------------------------------------------

# Where uploads lie until they are imported, and their rejected rows after that: one folder for
# all web processes and workers.
IMPORT_FOLDER = Path(
    env.text("IMPORT_FOLDER", str(Path(env.text("DATA_DIR", str(BASE_DIR / ".data"))) / "imports"))
)
IMPORT_MAX_MEGABYTES = env.number("IMPORT_MAX_MEGABYTES", 10_240, minimum=1)
# How long an upload's record and its rejected rows are kept.
IMPORT_DAYS = env.number("IMPORT_DAYS", 30)

# --- Logs and metrics ---------------------------------------------------------------------------

_LEVEL = env.choice("LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR"))
# A command for people shows its own progress. A container hands each process the level of its
# server, whose INFO would stand between the lines of an answer on a terminal.
_IS_COMMAND = Path(sys.argv[0]).name == "manage.py"
LOGGING = logs.configure(
    level="WARNING" if _IS_COMMAND and _LEVEL == "INFO" else _LEVEL,
    style=env.choice("LOG_STYLE", "auto", ("auto", "json", "console")),
)
# Where the processes of one machine or container count together; wiped before they start.
METRICS_FOLDER = env.text("METRICS_FOLDER", "")
if METRICS_FOLDER:
    Path(METRICS_FOLDER).mkdir(parents=True, exist_ok=True)
    # prometheus_client reads it, once.
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = METRICS_FOLDER
# What /metrics asks for; without it only this machine is answered.
METRICS_TOKEN = env.secret("METRICS_TOKEN", length=16)
# Where a worker answers for what it and its children have counted; 0 for nowhere.
METRICS_PORT = env.number("METRICS_PORT", 0)
if METRICS_PORT and not METRICS_FOLDER:
    raise ImproperlyConfigured("METRICS_PORT needs METRICS_FOLDER: children count in files")

# --- API --------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "config.api.negotiation.Negotiation",
    "DEFAULT_AUTHENTICATION_CLASSES": ["projects.authentication.KeyAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["projects.access.HasScope"],
    "UNAUTHENTICATED_USER": None,
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "config.api.problems.handle",
}

SPECTACULAR_SETTINGS = {
    "TITLE": "Events Analytics",
    "DESCRIPTION": (
        "Product events in, kept exactly once; how many came, what they did, whether they returned."
    ),
    "VERSION": "0.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_AUTHENTICATION": [],
    "SERVERS": [{"url": "/"}],
    "APPEND_COMPONENTS": {"securitySchemes": {"metrics": {"type": "http", "scheme": "bearer"}}},
    "POSTPROCESSING_HOOKS": ["config.api.openapi.complete"],
    # Swagger UI's assets from the sidecar package: /docs works without the internet.
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
}
