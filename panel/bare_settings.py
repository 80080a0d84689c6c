"""Settings of the commands that need no panel: no database, no secrets, no keys.

`manage.py` takes them for `export_templates`, and for `publish_artifacts` with the caller's own AWS credentials.
"""

import secrets
from pathlib import Path

from panel.environment import Environment

env = Environment()
BASE_DIR = Path(__file__).resolve().parent.parent

SECRET_KEY = secrets.token_urlsafe(64)  # signs nothing that outlives the command
INSTALLED_APPS = [
    "deployers",
    "integrations",
    "teams",
    "django.contrib.auth",
    "django.contrib.contenttypes",
]
AUTH_USER_MODEL = "teams.User"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_I18N = False
USE_TZ = True
LAMBDA_PACKAGES = Path(
    env.text(
        "SLUICE_LAMBDA_PACKAGES",
        str(BASE_DIR / "build" / "lambdas"),
        help="Directory with the Lambda zips that lambdas/package.py built.",
    )
)
