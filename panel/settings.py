"""Settings of the panel, all read from the environment. docs/settings.md is generated from the sentences here."""

import os
from ipaddress import ip_network
from pathlib import Path

import bootstrap_wrapper
from csp.constants import NONE, SELF

from panel import identity_settings
from panel.environment import Environment, mail_settings

env = Environment()
BASE_DIR = Path(__file__).resolve().parent.parent

# `make check` examines the code, not a deployment: it needs values that parse, and no server is contacted.
if os.environ.get("CHECK") == "1":
    os.environ.setdefault("SECRET_KEY", "only-for-checks-" + "x7Qp" * 16)
    os.environ.setdefault("SLUICE_ENCRYPTION_KEYS", "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=")
    os.environ.setdefault("DATABASE_URL", "postgresql://check@127.0.0.1:1/check")
    os.environ.setdefault("ALLOWED_HOSTS", "panel.example")

DEBUG = env.flag("DEBUG", False, help="Show tracebacks in the browser. Never in production.")
SECRET_KEY = env.text("SECRET_KEY", help="Signs sessions and tokens: 50 or more random characters.")
ENCRYPTION_KEYS = env.keys(
    "SLUICE_ENCRYPTION_KEYS",
    help="Keys that encrypt secrets in the database, newest first, comma separated; each 32 random bytes in base64.",
)

PANEL_URL = env.text(
    "PANEL_URL", "http://127.0.0.1:8000", help="Where people reach the panel; used in links sent elsewhere."
).rstrip("/")
ALLOWED_HOSTS = env.items("ALLOWED_HOSTS", "127.0.0.1,localhost", help="Host names the panel answers to.")
CSRF_TRUSTED_ORIGINS = env.items(
    "CSRF_TRUSTED_ORIGINS", help="Origins such as https://sluice.example.com when a proxy terminates TLS."
)
# Plain HTTP is for a laptop: cookies and redirects follow the address people use.
SECURE = not PANEL_URL.startswith("http://") or os.environ.get("CHECK") == "1"
REDIRECT = env.flag("SECURE_SSL_REDIRECT", True, help="Redirect plain HTTP to HTTPS (only when PANEL_URL is https).")
SECURE_SSL_REDIRECT = SECURE and REDIRECT
SECURE_REDIRECT_EXEMPT = [r"^healthz$"]
SECURE_HSTS_SECONDS = 31_536_000 if SECURE else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = SECURE
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE
SESSION_COOKIE_HTTPONLY = True
# `__Host-` makes browsers refuse the cookie from a subdomain or over plain HTTP (RFC 6265bis, 4.1.3.2).
SESSION_COOKIE_NAME = "__Host-sessionid" if SECURE else "sessionid"
CSRF_COOKIE_NAME = "__Host-csrftoken" if SECURE else "csrftoken"
SESSION_IDLE_MINUTES = env.number(
    "SLUICE_SESSION_IDLE_MINUTES", 480, help="Minutes without a click after which a session ends."
)
SESSION_HOURS = env.number(
    "SLUICE_SESSION_HOURS", 168, help="Hours after the sign-in after which a session ends, whatever happens in it."
)
SESSION_COOKIE_AGE = SESSION_HOURS * 3600
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
if env.flag("TRUST_PROXY", False, help="Believe X-Forwarded-Proto: only behind a proxy that always sets it."):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

IDENTITY = identity_settings.read(env, secure=SECURE)
INSTALLED_APPS = [
    "panel",
    "deployers",
    "integrations",
    "teams",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.github",
    "allauth.socialaccount.providers.openid_connect",
    "django_htmx",
    "tablericons",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "csp",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.middleware.gzip.GZipMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "panel.origins.OriginMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "panel.session_limits.SessionLimits",
    "panel.second_factor.StaffSecondFactor",
]
ROOT_URLCONF = "panel.urls"
WSGI_APPLICATION = "panel.wsgi.application"
AUTH_USER_MODEL = "teams.User"
LOGIN_URL = "sign-in"
LOGIN_REDIRECT_URL = "overview"
LOGOUT_REDIRECT_URL = "sign-in"
PASSWORDS = env.flag("SLUICE_PASSWORDS", True, help="Let people sign in with a password; false: by other means only.")
SECOND_FACTOR = env.choice(
    "SLUICE_SECOND_FACTOR",
    ("optional", "staff", "everyone"),
    help="Who must set up a second factor: optional (nobody, unless a team asks for it), staff or everyone.",
)
ACCOUNT_ADAPTER = "panel.sign_in_adapter.AccountAdapter"
ACCOUNT_FORMS = {"login": "panel.web.session.SignInForm"}
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"  # at sign-in; a changed address is verified
ACCOUNT_EMAIL_NOTIFICATIONS = False
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_RATE_LIMITS = MFA_RATE_LIMITS = False  # panel.sign_in_limits counts, also while Valkey is down
ACCOUNT_PREVENT_ENUMERATION = False  # nobody signs up, so nothing tells of accounts
SOCIALACCOUNT_ADAPTER = "panel.identity.IdentityAdapter"
SOCIALACCOUNT_PROVIDERS = IDENTITY.providers
SOCIALACCOUNT_EMAIL_VERIFICATION = "none"
SOCIALACCOUNT_EMAIL_AUTHENTICATION_AUTO_CONNECT = True  # where an address opened an account at all
SOCIALACCOUNT_REQUESTS_TIMEOUT = 10
MFA_ADAPTER = "panel.sign_in_adapter.MFAAdapter"
MFA_FORMS = {
    "authenticate": "panel.web.second_factor_forms.CodeForm",
    "reauthenticate": "panel.web.second_factor_forms.ConfirmingCodeForm",
    "activate_totp": "panel.web.second_factor_forms.FirstCodeForm",
    "add_webauthn": "panel.web.second_factor_forms.NewPasskeyForm",
    "edit_webauthn": "panel.web.second_factor_forms.PasskeyNameForm",
    "login_webauthn": "panel.web.second_factor_forms.PasskeySignInForm",
    "authenticate_webauthn": "panel.web.second_factor_forms.PasskeyFactorForm",
    "reauthenticate_webauthn": "panel.web.second_factor_forms.ConfirmingPasskeyForm",
}
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_TOTP_TOLERANCE = 1  # steps of 30 s: RFC 6238, section 5.2, allows one for typing and for clocks that differ
MFA_ALLOW_UNVERIFIED_EMAIL = True
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "panel" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "panel.web.context.navigation",
            ]
        },
    }
]

DATABASES = {
    "default": {
        **env.database("DATABASE_URL", help="PostgreSQL: postgresql://user:password@host:5432/name"),
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
REDIS_URL = env.text(
    "REDIS_URL",
    "redis://127.0.0.1:6379/0",
    help="Valkey or Redis with noeviction: redis://:password@host:6379/0",
)
CACHES = {"default": {"BACKEND": "panel.valkey.cache.ValkeyCache", "LOCATION": REDIS_URL}}
SESSION_ENGINE = "django.contrib.sessions.backends.db"
SESSION_SERIALIZER = "django.contrib.sessions.serializers.JSONSerializer"

CELERY_BROKER_URL = REDIS_URL
CELERY_TASK_ACKS_LATE = False  # leases on rows, not redelivery, bring back what a dead worker held
CELERY_TASK_IGNORE_RESULT = True
# Nothing of what Valkey holds is unpickled; panel/valkey/checks.py refuses settings that would.
CELERY_ACCEPT_CONTENT = CELERY_RESULT_ACCEPT_CONTENT = ["json"]
CELERY_TASK_SERIALIZER = CELERY_RESULT_SERIALIZER = CELERY_EVENT_SERIALIZER = "json"
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_TIME_LIMIT = 120
CELERY_TASK_SOFT_TIME_LIMIT = 90
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT = "panel.valkey.transport.Transport"
CELERY_BROKER_CHANNEL_ERROR_RETRY = True  # a worker outlives a Valkey that is full or read-only
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "socket_timeout": 2,
    "socket_connect_timeout": 1,
    "socket_keepalive": True,
    "health_check_interval": 5,
    "ack_emulation": False,  # rows, not copies of messages, bring back what a dead worker held
}
# Nobody steers workers through Valkey: who can write to it could stop them.
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
WORKER_HEARTBEAT = env.text(
    "SLUICE_WORKER_HEARTBEAT", "", help="File that a worker touches every ten seconds, for health checks; empty: none."
)
CELERY_WORKER_HIJACK_ROOT_LOGGER = False

MAIL = env.text(
    "EMAIL_URL",
    "",
    help="Mail server: smtp+tls://user:password@host:587 or consolemail:// (into the log); empty: no e-mail is sent.",
)
globals().update(mail_settings(MAIL))
DEFAULT_FROM_EMAIL = env.text("EMAIL_FROM", "sluice@localhost", help="Sender of the panel's e-mail.")
EMAIL_TIMEOUT = 10

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_I18N = False
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = Path(env.text("STATIC_ROOT", str(BASE_DIR / "staticfiles"), help="Where collectstatic writes."))
STATICFILES_DIRS = [("bootstrap", bootstrap_wrapper.get_bootstrap_dir())]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
    }
}

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["panel.api.authentication.BearerToken"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_PAGINATION_CLASS": "panel.api.pagination.Pages",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "panel.api.problems.handle",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Sluice",
    "VERSION": "1",
    "SWAGGER_UI_DIST": "SIDECAR",
    "SERVE_INCLUDE_SCHEMA": False,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "panel.api.schema.add_words",
    ],
    "DESCRIPTION": "Turns git pushes into versioned zips in S3. Errors are `application/problem+json`.",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "COMPONENT_SPLIT_REQUEST": False,
    "ENUM_NAME_OVERRIDES": {
        "ProviderKind": "integrations.providers.registry.KINDS",
        "Method": "integrations.models.Method",
        "Deployer": "integrations.models.Deployer",
        "DeliveryStatus": "integrations.models.DeliveryStatus",
        "WebhookState": "integrations.models.WebhookState",
        "RemoteState": "integrations.models.RemoteState",
        "Source": "teams.models.Source",
        "SSHKeyState": "integrations.models.SSHKeyState",
        "AccessMethod": "deployers.models.AccessMethod",
        "StackKind": "deployers.models.StackKind",
        "OperationKind": "deployers.models.OperationKind",
        "OperationStatus": "deployers.states.OperationStatus",
        "DeploymentStatus": "deployers.states.DeploymentStatus",
        "Trigger": "deployers.models.Trigger",
    },
}

CONFIRMATION_MINUTES = env.number(
    "SLUICE_CONFIRMATION_MINUTES",
    15,
    help="Minutes after which a password or second factor is asked for again to rotate, revoke or delete.",
)
ACCOUNT_REAUTHENTICATION_TIMEOUT = CONFIRMATION_MINUTES * 60
AUDIT_RETENTION_DAYS = env.number(
    "SLUICE_AUDIT_RETENTION_DAYS", 400, help="Days that entries of the audit log are kept; 0: for ever."
)
DELIVERY_RETENTION_DAYS = env.number(
    "SLUICE_DELIVERY_RETENTION_DAYS",
    180,
    help="Days that deliveries are kept in the database, but for the newest of each ref; 0: for ever.",
)
DEPLOYMENT_RETENTION_DAYS = env.number(
    "SLUICE_DEPLOYMENT_RETENTION_DAYS",
    730,
    help="Days that deployments and the rows of artifacts are kept, but for the newest; 0: for ever.",
)
STACK_EVENT_RETENTION_DAYS = env.number(
    "SLUICE_STACK_EVENT_RETENTION_DAYS", 180, help="Days that the logs of stacks are kept; 0: for ever."
)
OPERATION_LEASE = env.number(
    "SLUICE_OPERATION_LEASE", 15, help="Seconds after which another worker goes on with the operation of one that died."
)
SSH_KEY_GRACE = env.number(
    "SLUICE_SSH_KEY_GRACE",
    330,
    help="Most seconds that fetches with the old SSH key get to finish; Lambda's limit is 300.",
)
SSH_KEY_ROTATE_DAYS = env.number(
    "SLUICE_SSH_KEY_ROTATE_DAYS",
    0,
    help="Days after which SSH keys are rotated automatically; 0: never. An integration may have a number of its own.",
)
QUIET_HOURS = env.hours(
    "SLUICE_QUIET_HOURS", help="Hours (UTC) in which scheduled rotations begin, such as 01:00-05:00; empty: any."
)
SSH_KEY_PACE = env.number(
    "SLUICE_SSH_KEY_PACE", 5, help="Seconds between the rotations of two SSH keys at one provider, in a batch."
)
LAMBDA_PACKAGES = Path(
    env.text(
        "SLUICE_LAMBDA_PACKAGES",
        str(BASE_DIR / "build" / "lambdas"),
        help="Directory with the Lambda zips that lambdas/package.py built.",
    )
)
LAMBDA_RUNTIME = env.text("SLUICE_LAMBDA_RUNTIME", "python3.13", help="Runtime the Lambda zips were built for.")
LAMBDA_ARCHITECTURE = env.text(
    "SLUICE_LAMBDA_ARCHITECTURE",
    "arm64",
    help="Architecture the Lambda zips were built for: arm64 or x86_64.",
)
ACCESS_TEMPLATE_URL = env.text(
    "SLUICE_ACCESS_TEMPLATE_URL",
    "",
    help="Where sluice_access.json lies in S3 for all to read; the page of an AWS account links to CloudFormation "
    "with it. Empty: the template is downloaded.",
)
AMBIENT_AWS = env.flag(
    "SLUICE_AMBIENT_AWS",
    False,
    help="Superusers may connect an AWS account by the panel's own AWS credentials: whoever provisions into it then "
    "acts with all that these may.",
)
PRIVATE_NETWORKS = [
    ip_network(cidr)
    for cidr in env.items(
        "SLUICE_PRIVATE_NETWORKS",
        help="Private networks (CIDRs) in which a git provider may live, for example 10.20.0.0/16.",
    )
]

DEFAULT_EXCEPTION_REPORTER_FILTER = "panel.error_reports.WithoutValues"
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"()": "panel.logs.OneLine", "format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {
        "handlers": ["console"],
        "level": env.text("LOG_LEVEL", "INFO", help="Least severe level to log."),
    },
    "loggers": {
        "botocore": {"level": "WARNING"},
        "boto3": {"level": "WARNING"},
        "urllib3": {"level": "WARNING"},
    },
}
