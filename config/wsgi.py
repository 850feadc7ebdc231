"""The WSGI entry point."""

import os

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
application = get_wsgi_application()


def _demand_secret() -> None:
    """Django itself would miss it at the first login only."""
    try:
        _ = settings.SECRET_KEY
    except ImproperlyConfigured:
        raise ImproperlyConfigured("DJANGO_SECRET_KEY is not set") from None


_demand_secret()
