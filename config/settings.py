"""All settings of the service, read from the environment once; a bad value stops the process."""

import os
import sys
import zoneinfo
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

from config.building_blocks import silence
from config.environment import broker_urls, variables
from config.middleware import cors
from config.monitoring import logs
from config.redis.urls import is_cluster

BASE_DIR = Path(__file__).resolve().parent.parent
env = variables.load(BASE_DIR)

# --- Django -----------------------------------------------------------------------------------

# Anyone who knows this key can sign in as an administrator. The web server refuses to start without
# it (config/wsgi.py); commands that sign nothing do not need it. Django's deployment check requires
# this length.
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
    "django_htmx",
    "events",
    "projects",
    "analytics",
    "importer",
    "dashboard",
]

MIDDLEWARE = [
    "events.monitoring.exposition.middleware",
    "config.monitoring.request_id.middleware",
    "config.middleware.access_log.middleware",
    "django.middleware.security.SecurityMiddleware",
    "config.middleware.content_security.middleware",
    "config.middleware.shared_caches.middleware",
    "config.middleware.secret_addresses.middleware",
    "config.middleware.cors.middleware",
    "config.server.refusals.middleware",
    "config.middleware.rate_limit.middleware",
    "config.middleware.compression.middleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "config.middleware.for_people.Sessions",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "config.middleware.for_people.Logins",
    "config.middleware.for_people.Messages",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "config.middleware.impossible_values.middleware",
    "projects.pages.middleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
APPEND_SLASH = False
USE_TZ = True
TIME_ZONE = "UTC"
# Zones are those of the package: those of a system may be years older than ClickHouse's.
zoneinfo.reset_tzpath(())
LANGUAGE_CODE = "en"
FORMAT_MODULE_PATH = "config.admin.formats"
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

# Django's default also prepares to keep the admin's messages in a cookie, at every request to the
# API.
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"

STATIC_URL = "/static/"
# The folder that collectstatic fills. If it is not set, files are served directly from the
# packages' folders, so the one-machine stack needs no collectstatic before its first page.
STATIC_ROOT = env.text("STATIC_ROOT", "") or None
WHITENOISE_USE_FINDERS = True

# --- PostgreSQL -------------------------------------------------------------------------------

POSTGRES_POOL_SIZE = env.number("POSTGRES_POOL_SIZE", 8, minimum=1)
# If PostgreSQL's host vanishes without closing its connections, a process that sends to it or waits
# for it fails within 15 s. The kernel's own limits are 15 minutes and 2 hours. If PostgreSQL hangs,
# only the limit of config/building_blocks/silence.py helps, which web processes have. There is no
# statement_timeout: the server enforces it, so it does not help when the server is gone, and
# verify_stores and migrations may take any time.
_SILENCE = {
    "keepalives": 1,
    "keepalives_idle": 5,
    "keepalives_interval": 5,
    "keepalives_count": 2,
    "tcp_user_timeout": 15_000,
}


def _postgres(url: str) -> dict[str, object]:
    """Django's DATABASES entry for `postgresql://user:password@host:port/name?option=…`."""
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query))
    return {
        # Django's PostgreSQL backend with metrics: docs/adr/0005-django-prometheus.md.
        "ENGINE": "django_prometheus.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": options.pop("host", parts.hostname or ""),
        "PORT": str(parts.port or ""),
        "OPTIONS": {
            # timeout: seconds to wait for a connection. After that the answer is 503, so that no
            # long queue forms.
            # reconnect_timeout: the pool doubles its pauses for so long, then the next request has
            # it begin anew. With the default of 300 a process had a connection a minute after a
            # PostgreSQL that had been away for 75 s.
            "pool": {
                **{"min_size": 1, "max_size": POSTGRES_POOL_SIZE, "timeout": 5},
                "reconnect_timeout": 5,
                "connection_class": silence.Connection,
            },
            "connect_timeout": 5,
            **_SILENCE,
            **options,
        },
        # Behind PgBouncer the next statement may run on another connection than its cursor.
        "DISABLE_SERVER_SIDE_CURSORS": True,
    }


DATABASE_URL = env.address(
    "DATABASE_URL", "postgresql://localhost/events", "postgres", "postgresql"
)
DATABASES = {"default": _postgres(DATABASE_URL)}

# --- Redis and Celery -------------------------------------------------------------------------

REDIS_URL = env.text("REDIS_URL", "redis://localhost:6379/0")
# The rate limit writes at every request, and those writes may be lost. If its Redis is the one that
# keeps the queue on disk, each of them costs an fsync.
RATE_LIMIT_REDIS_URL = env.text("RATE_LIMIT_REDIS_URL", REDIS_URL)


def _redis(url: str, *, connect: float = 2, answer: float = 5) -> dict[str, object]:
    options = {"SOCKET_CONNECT_TIMEOUT": connect, "SOCKET_TIMEOUT": answer}
    cluster = {"CONNECTION_FACTORY": "config.redis.cluster.Factory"} if is_cluster(url) else {}
    # A list, because django-redis splits a string at its commas and takes the parts for a primary
    # and its replicas.
    return {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": [url],
        "OPTIONS": {**options, **cluster},
    }


CACHES = {
    "default": _redis(REDIS_URL),
    "rate_limit": _redis(RATE_LIMIT_REDIS_URL),
    # A worker reports a sign of life between two messages, so it waits only this long.
    "liveness": _redis(RATE_LIMIT_REDIS_URL, connect=0.5, answer=0.5),
}
CELERY_BROKER_URL = env.text("CELERY_BROKER_URL", REDIS_URL)
_VISIBILITY_TIMEOUT = env.number("QUEUE_VISIBILITY_TIMEOUT_SECONDS", 60, minimum=5)
CELERY_BROKER_TRANSPORT_OPTIONS = broker_urls.options(
    CELERY_BROKER_URL, visibility_timeout=_VISIBILITY_TIMEOUT
)
# RabbitMQ treats a worker that is silent for this many seconds as gone. Redis has no heartbeats.
CELERY_BROKER_HEARTBEAT = _VISIBILITY_TIMEOUT
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
# By default Celery closes the whole connection pool of the process around each task, while other
# threads use it. This setting prevents that; config/celery.py gives back only the task's
# connection.
CELERY_DB_REUSE_MAX = sys.maxsize
CELERY_TASK_IGNORE_RESULT = True
# There are no results. Otherwise beat would have a periodic task to delete old ones.
CELERY_RESULT_EXPIRES = None
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
# How many unacknowledged messages a worker may hold per child: enough to fill batches of small
# requests, few enough for frames of 1,000 events to fit in memory.
CELERY_WORKER_PREFETCH_MULTIPLIER = env.number("WORKER_PREFETCH", 100, minimum=1)
# Child processes of a worker. Each stores one batch at a time.
CELERY_WORKER_CONCURRENCY = env.number("WORKER_CONCURRENCY", 2, minimum=1)
# Celery kills a child that does not report within this many seconds that it is up. Celery's default
# of 4 s is too short on a busy machine.
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
# Memory of one report. Above a third of it, intermediate results go to the server's disk, which is
# slower.
CLICKHOUSE_QUERY_MEGABYTES = env.number("CLICKHOUSE_QUERY_MEGABYTES", 1024, minimum=16)
# The most rows that one report may read; 0 means no limit.
CLICKHOUSE_QUERY_ROWS = env.number("CLICKHOUSE_QUERY_ROWS", 0)
# To insert a block with its rollups takes about 0.1 s. After this timeout the server is considered
# stuck, and the delivery is repeated with the same token.
CLICKHOUSE_INSERT_TIMEOUT_SECONDS = env.number("CLICKHOUSE_INSERT_TIMEOUT_SECONDS", 60, minimum=1)
# Sends blocks through the Buffer engine, without deduplication tokens: see docs/configuration.md.
CLICKHOUSE_USE_BUFFER = env.flag("CLICKHOUSE_USE_BUFFER", False)
# The name of a cluster in the servers' configuration (remote_servers). The tables are spread over
# it.
CLICKHOUSE_CLUSTER = env.word("CLICKHOUSE_CLUSTER")
if CLICKHOUSE_CLUSTER and CLICKHOUSE_USE_BUFFER:
    raise ImproperlyConfigured(
        "CLICKHOUSE_USE_BUFFER works with one server only; do not set CLICKHOUSE_CLUSTER with it"
    )

# --- Web --------------------------------------------------------------------------------------

# The most memory a web process may use, however many requests arrive at once:
# config/memory/room.py.
WEB_MEMORY_MEGABYTES = env.number("WEB_MEMORY_MEGABYTES", 280, minimum=280)

# --- Ingest -----------------------------------------------------------------------------------

# The most events in one PostgreSQL transaction, and in one block sent to ClickHouse.
CLICKHOUSE_BATCH_SIZE = env.number("CLICKHOUSE_BATCH_SIZE", 20_000, minimum=1)
# How long a delivery waits for other batches to share its block; a full block does not wait. A
# block costs ClickHouse 40 to 90 ms of a core, however small it is: ten blocks a second keep nearly
# a whole core busy.
DELIVERY_LINGER_MILLISECONDS = env.number("DELIVERY_LINGER_MILLISECONDS", 500)
# The most events that may wait on the queue. Above it, POST /events answers 503.
QUEUE_LIMIT_EVENTS = env.number("QUEUE_LIMIT_EVENTS", 1_000_000, minimum=1)
HOT_WINDOW_DAYS = env.number("HOT_WINDOW_DAYS", 7, minimum=1)
# How many days event ids and delivered batches are kept; 0 keeps them for ever.
DEDUP_DAYS = env.number("DEDUP_DAYS", 0)
BATCH_DAYS = env.number("BATCH_DAYS", 30)
# How many days refused events are kept, and the most rows and megabytes of them: the newest stay.
REJECTED_DAYS = env.number("REJECTED_DAYS", 7)
REJECTED_MAX_ROWS = env.number("REJECTED_MAX_ROWS", 100_000)
REJECTED_MAX_MEGABYTES = env.number("REJECTED_MAX_MEGABYTES", 100)

# --- Access -----------------------------------------------------------------------------------

# Whether the API needs a key. /health, /ready, /openapi.json and /docs never need one.
API_KEYS_REQUIRED = env.flag("API_KEYS_REQUIRED", True)
RATE_LIMIT_PER_MINUTE = env.number("RATE_LIMIT_PER_MINUTE", 1000, minimum=0)
RATE_LIMITS_OF_KEY = "projects.authentication.own_limits"
# Answers requests of a few events without Django's view.
LANE = "events.api.lane.answer"
# What people see instead of a page that is refused.
RATE_LIMIT_PAGE = "dashboard.failing.limited"
CSRF_FAILURE_VIEW = "dashboard.failing.forged"
# Where a page sends those who are not logged in.
LOGIN_URL = "/login"
# Login attempts a minute, per address and per user name; 0 means no limit.
LOGIN_LIMIT_PER_MINUTE = env.number("LOGIN_LIMIT_PER_MINUTE", 5)
# Origins whose pages may post events from a browser, or * for all.
CORS_ORIGINS = cors.origins(env.items("CORS_ORIGINS", ""))
# How many proxies in front of the service append to X-Forwarded-For; 0 ignores the header.
TRUSTED_PROXIES = env.number("TRUSTED_PROXIES", 0)
# The first of these proxies overwrites this header with the scheme that the client used.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUSTED_PROXIES else None
# For a service behind TLS: redirects plain HTTP to HTTPS, and limits cookies and browsers to HTTPS.
HTTPS_ONLY = env.flag("HTTPS_ONLY", False)
SECURE_SSL_REDIRECT = SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS_ONLY
# These paths are requested from inside, behind the proxy that ends TLS.
SECURE_REDIRECT_EXEMPT = ["^(health|ready|metrics)$"]
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if HTTPS_ONLY else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS_ONLY
# This check asks for SECURE_HSTS_PRELOAD: a list in browsers that a domain leaves only after
# months. The owner of the domain decides that, not a service on one of its names.
SILENCED_SYSTEM_CHECKS = ["security.W021"]

# --- Imports ----------------------------------------------------------------------------------

# The folder for uploads until they are imported, and for their rejected rows after that. All web
# processes and workers share it.
IMPORT_FOLDER = Path(
    env.text("IMPORT_FOLDER", str(Path(env.text("DATA_DIR", str(BASE_DIR / ".data"))) / "imports"))
)
IMPORT_MAX_MEGABYTES = env.number("IMPORT_MAX_MEGABYTES", 10_240, minimum=1)
# How long an upload's record and its rejected rows are kept.
IMPORT_DAYS = env.number("IMPORT_DAYS", 30)

# --- Logs and metrics ---------------------------------------------------------------------------

_LEVEL = env.choice("LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR"))
# A manage.py command shows its own progress. In a container it inherits the LOG_LEVEL of the
# server, and INFO lines would appear between the lines of its output.
_IS_COMMAND = Path(sys.argv[0]).name == "manage.py"
LOGGING = logs.configure(
    level="WARNING" if _IS_COMMAND and _LEVEL == "INFO" else _LEVEL,
    style=env.choice("LOG_STYLE", "auto", ("auto", "json", "console")),
)
# The folder in which the processes of one machine or container count together. It is emptied before
# they start.
METRICS_FOLDER = env.text("METRICS_FOLDER", "")
if METRICS_FOLDER:
    Path(METRICS_FOLDER).mkdir(parents=True, exist_ok=True)
    # prometheus_client reads this variable once.
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = METRICS_FOLDER
# The token that /metrics requires. If it is not set, only this machine gets an answer.
METRICS_TOKEN = env.secret("METRICS_TOKEN", length=16)
# The port on which a worker serves the metrics of itself and its children; 0 for none.
METRICS_PORT = env.number("METRICS_PORT", 0)
if METRICS_PORT and not METRICS_FOLDER:
    raise ImproperlyConfigured(
        "METRICS_PORT needs METRICS_FOLDER, where the processes of a worker count together"
    )

# --- API --------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "config.api.negotiation.Negotiation",
    # In this order: a key in the headers counts, and not the session.
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "projects.authentication.KeyAuthentication",
        "projects.people.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["projects.access.HasScope"],
    "UNAUTHENTICATED_USER": None,
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "config.api.problems.handle",
}

SPECTACULAR_SETTINGS = {
    "TITLE": "Events Analytics",
    "DESCRIPTION": (
        "Receives product events and stores each of them exactly once. Reports how many users "
        "came, what they did and whether they returned."
    ),
    "VERSION": "0.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_AUTHENTICATION": [],
    # Clients use keys. Sessions are for the pages of the service itself.
    "AUTHENTICATION_WHITELIST": ["projects.authentication.KeyAuthentication"],
    "SERVERS": [{"url": "/"}],
    "APPEND_COMPONENTS": {"securitySchemes": {"metrics": {"type": "http", "scheme": "bearer"}}},
    "POSTPROCESSING_HOOKS": ["config.api.openapi.complete"],
    # Swagger UI's assets come from the sidecar package, so /docs works without the internet.
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
}
