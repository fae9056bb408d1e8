"""Settings of the project. Every environment variable is read here, once; `.env.example` says what each means."""

import logging
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured

from musicsync.redaction import Secret
from project import brokers, embedded, environment

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()
if (BASE_DIR / ".env").exists():
    # What the environment says already wins.
    env.read_env(BASE_DIR / ".env")

VAR = Path(env.str("MUSICSYNC_VAR", default="") or BASE_DIR / "var").expanduser().resolve()
DATABASE_URL = env.str("DATABASE_URL", default="")
BROKER_URL = env.str("CELERY_BROKER_URL", default="")
EMBEDDED_DATABASE = not DATABASE_URL
EMBEDDED_BROKER = BROKER_URL in {"", embedded.FOLDER_BROKER}


# --- Django -----------------------------------------------------------------------------------------------------------

# The embedded set-up is one person's machine; beside a database of one's own, debug pages must be asked for.
DEBUG = env.bool("DJANGO_DEBUG", default=EMBEDDED_DATABASE)
SECRET_KEY = env.str("DJANGO_SECRET_KEY", default="")
if not SECRET_KEY and not DEBUG and not EMBEDDED_DATABASE:
    raise ImproperlyConfigured("DJANGO_SECRET_KEY: not set: give a random text of 50 characters or more")
SECRET_KEY = SECRET_KEY or environment.kept_secret(VAR / "secret-key")
# Loopback always: health checks ask from the same machine.
ALLOWED_HOSTS = [*env.list("DJANGO_ALLOWED_HOSTS", default=[]), "localhost", "127.0.0.1", "[::1]"]
CSRF_TRUSTED_ORIGINS = env.list("DJANGO_CSRF_TRUSTED_ORIGINS", default=[])

INSTALLED_APPS = [
    "project.look.Look",  # Unfold, before the admin, whose templates it replaces
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",  # runserver then serves static files the way production does
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "django_celery_beat",
    "musicsync",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "project.urls"
WSGI_APPLICATION = "project.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English")]
TIME_ZONE = "UTC"
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = VAR / "static"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        # Names with a hash can be cached for ever, but need collectstatic: only where there is a deployment.
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage",
    },
}
WHITENOISE_USE_FINDERS = DEBUG

# --- Database ---------------------------------------------------------------------------------------------------------

_database = embedded.database(VAR) if EMBEDDED_DATABASE else environment.database(DATABASE_URL)
# What people read is planned for its values; workers prepare their statements (`project/celery.py`).
_database["OPTIONS"] = {"server_side_binding": True} | _database.get("OPTIONS", {})
DATABASES = {
    "default": _database
    | {
        # A connection for each task would cost PostgreSQL a new process each time, so it is kept: a child of a worker
        # holds one, and none for longer than this (`project/celery.py`).
        "CONN_MAX_AGE": 600,
        # A restarted or failed-over server then costs one ping, not one failed task or page.
        "CONN_HEALTH_CHECKS": True,
    },
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Security: strict by default, relaxed where debug pages are on ----------------------------------------------------

SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = not DEBUG
SECURE_SSL_REDIRECT = not DEBUG
# The proxy that ends TLS says so in this header; gunicorn is reached through it alone.
SECURE_PROXY_SSL_HEADER = None if DEBUG else ("HTTP_X_FORWARDED_PROTO", "https")
# The health check comes from inside, without TLS.
SECURE_REDIRECT_EXEMPT = [r"^healthz$"]
SECURE_HSTS_SECONDS = 0 if DEBUG else int(timedelta(days=365).total_seconds())
# HSTS for subdomains and the preload list would bind other sites of the same domain: theirs to decide, not ours.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
X_FRAME_OPTIONS = "DENY"

# --- E-mail and alerts ------------------------------------------------------------------------------------------------

# Without a mail server, mail is shown where it is sent from.
vars().update(environment.email(env.str("EMAIL_URL", default="") or "consolemail://"))
DEFAULT_FROM_EMAIL = SERVER_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="") or "musicsync@localhost"
ADMINS = [(address, address) for address in env.list("ADMINS", default=[])]
MUSICSYNC_ALERT_WEBHOOK = environment.webhook(env.str("MUSICSYNC_ALERT_WEBHOOK", default=""))
MUSICSYNC_CONTACT = env.str("MUSICSYNC_CONTACT", default="")

# --- Files of providers (musicsync/providers/file_feed) ---------------------------------------------------------------

# Whoever edits providers may read what is below these, and nothing else of this machine.
MUSICSYNC_FEED_FOLDERS = environment.folders(env.str("MUSICSYNC_FEED_FOLDERS", default=""))
MUSICSYNC_SPOOL = Path(env.str("MUSICSYNC_SPOOL", default="") or VAR / "spool").expanduser()
MUSICSYNC_SPOOL_BYTES = environment.megabytes(env.str("MUSICSYNC_SPOOL_MB", default="") or "5000")

# --- Credentials of providers (musicsync/credentials.py) --------------------------------------------------------------

# MUSICSYNC_CREDENTIAL_<SLUG>: wins over the one that is stored encrypted.
MUSICSYNC_CREDENTIALS = {
    name: Secret(value) for name, value in env.ENVIRON.items() if name.startswith("MUSICSYNC_CREDENTIAL_")
}
# The first one encrypts, all of them decrypt. Beside a database of one's own they are for whoever runs it to keep: in a
# file of this machine they would be missing on the next one.
_encryption_keys = env.str("MUSICSYNC_ENCRYPTION_KEYS", default="")
if not _encryption_keys and EMBEDDED_DATABASE:
    _encryption_keys = environment.kept_encryption_key(VAR / "encryption-key")
MUSICSYNC_ENCRYPTION_KEYS = environment.encryption_keys(_encryption_keys)
DEFAULT_EXCEPTION_REPORTER = "project.redacting.ErrorPage"
DEFAULT_EXCEPTION_REPORTER_FILTER = "project.redacting.ErrorPageFilter"

# --- Logging ----------------------------------------------------------------------------------------------------------

LOG_LEVEL = environment.one_of(
    "LOG_LEVEL", (env.str("LOG_LEVEL", default="") or "INFO").upper(), logging.getLevelNamesMapping()
)
LOG_FORMAT = environment.one_of("LOG_FORMAT", env.str("LOG_FORMAT", default="") or "text", ("text", "json"))
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "text": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"},
        "json": {
            "()": "pythonjsonlogger.json.JsonFormatter",
            "format": "{asctime}{levelname}{name}{message}{process}",
            "style": "{",
            "rename_fields": {"asctime": "time", "levelname": "level", "name": "logger"},
        },
    },
    "handlers": {"console": {"class": "project.redacting.Console", "formatter": LOG_FORMAT}},
    "root": {"handlers": ["console"], "level": LOG_LEVEL},
    # Django's own handlers would say everything twice.
    "loggers": {"django": {"handlers": [], "propagate": True}},
}

# --- Admin ------------------------------------------------------------------------------------------------------------

UNFOLD = {
    "SITE_TITLE": "musicsync",
    "SITE_HEADER": "musicsync",
    "SITE_SYMBOL": "library_music",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": "musicsync.admin.navigation.icon"}],
    "SIDEBAR": {"navigation": "musicsync.admin.navigation.sidebar"},
    "DASHBOARD_CALLBACK": "musicsync.admin.dashboard.figures",
}

# --- Celery -----------------------------------------------------------------------------------------------------------

CELERY_BROKER_URL = environment.broker(BROKER_URL) if BROKER_URL else embedded.broker_url(VAR)
CELERY_BROKER_TRANSPORT_OPTIONS = brokers.transport_options(CELERY_BROKER_URL)
if EMBEDDED_BROKER and CELERY_BROKER_URL == embedded.FOLDER_BROKER:
    CELERY_BROKER_TRANSPORT_OPTIONS = embedded.filesystem_options(VAR)
    # A folder has no host name, and kombu warns of that wherever a process connects.
    LOGGING["loggers"]["kombu.connection"] = {"level": "ERROR"}

# Only what started and what finished a run keep their results (`ignore_result` in tasks.py), a day, for people who look
# them up; what musicsync needs is in its own tables.
CELERY_RESULT_BACKEND = environment.result_backend(
    env.str("CELERY_RESULT_BACKEND", default=CELERY_BROKER_URL if brokers.is_redis(CELERY_BROKER_URL) else "")
)
CELERY_TASK_IGNORE_RESULT = True
CELERY_RESULT_EXPIRES = timedelta(hours=24)
# By Celery's own limits (120 s, twenty tries) a Redis that hangs holds a worker's process for as long as it hangs.
CELERY_REDIS_SOCKET_TIMEOUT = CELERY_REDIS_SOCKET_CONNECT_TIMEOUT = 3
CELERY_RESULT_BACKEND_TRANSPORT_OPTIONS = {"retry_policy": {"max_retries": 1}}

# JSON only: a pickle on the broker would let whoever can write there run code here.
CELERY_TASK_SERIALIZER = CELERY_RESULT_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = CELERY_RESULT_ACCEPT_CONTENT = ["json"]
CELERY_TIMEZONE = TIME_ZONE
CELERY_ENABLE_UTC = True

# A message only says "look at row N"; the sweeper sends it again. Late acks would add duplicates and poison loops.
CELERY_TASK_ACKS_LATE = False
# A message that cannot be read is told of like any other failure.
CELERY_WORKER_CONSUMER = "project.consumer:Consumer"
# What a worker has taken and not begun is lost with it until the sweeper finds it: take one.
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
# For late acks only: an early-acked task goes on and commits, because its result lives in the database.
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False

vars().update(brokers.queue_settings(CELERY_BROKER_URL))
# A misspelt queue name is an error, not a queue that nobody reads.
CELERY_TASK_CREATE_MISSING_QUEUES = False

# A task is a shift of a quarter of a second, then one last request (40 s at most, in providers/http.py), each with a
# short transaction (ADR 5). The soft limit raises inside the task, which gives its row back; the hard one ends a child
# that does not listen (a C call, a deadlock), and the sweeper takes over when the lease runs out.
CELERY_TASK_SOFT_TIME_LIMIT = 60
CELERY_TASK_TIME_LIMIT = 75

# Flower and `inspect` show what is sent and what is running.
CELERY_WORKER_SEND_TASK_EVENTS = CELERY_TASK_SEND_SENT_EVENT = True
CELERY_TASK_TRACK_STARTED = True

CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_TIMEOUT = 3
# The second try is for a connection that was kept while the broker was restarted. Each waits for a broker that hangs:
# Celery's own three would take 25 s, and the row is there for the sweeper to send again.
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 1, "interval_start": 0, "interval_step": 0.2, "interval_max": 0.2}
# A broker that is away for a night must not end a worker: keep trying.
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
# Nor must a Redis at its maxmemory, which refuses even to take an acknowledgement. RabbitMQ's errors of this kind stay
# errors: a queue that is declared otherwise, say.
CELERY_BROKER_CHANNEL_ERROR_RETRY = brokers.is_redis(CELERY_BROKER_URL)

# Children are replaced against slow leaks: rarely enough to cost nothing, and at once above 200 MB (given in kB).
# Celery would close the database connection before and after each task. Django knows better when to (CONN_MAX_AGE).
CELERY_DB_REUSE_MAX = 10**12
CELERY_WORKER_MAX_TASKS_PER_CHILD = 1000
CELERY_WORKER_MAX_MEMORY_PER_CHILD = 200_000
# On SIGQUIT (cold) a page in flight gets this long to commit; on SIGTERM (warm) what `musicsync/heartbeat.py` sets.
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 20
CELERY_WORKER_HIJACK_ROOT_LOGGER = False

# Any number of beats, of which one sends; a slot that was missed by all of them is sent once.
CELERY_BEAT_SCHEDULER = "project.beat:LeadingScheduler"

# --- Embedded servers -------------------------------------------------------------------------------------------------

if (EMBEDDED_DATABASE or EMBEDDED_BROKER) and embedded.needed_by(sys.argv):
    _broker = CELERY_BROKER_URL if EMBEDDED_BROKER else None
    try:
        embedded.start(VAR, with_postgres=EMBEDDED_DATABASE, broker=_broker)
    except embedded.EmbeddedError as error:
        raise ImproperlyConfigured(str(error)) from None
    if line := embedded.announcement(VAR, sys.argv, with_postgres=EMBEDDED_DATABASE, broker=_broker):
        sys.stderr.write(f"{line}\n")
