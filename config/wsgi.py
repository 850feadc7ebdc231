"""The WSGI entry point."""

import os

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
application = get_wsgi_application()


def _demand_secret() -> None:
    """Fail now: Django itself would notice a missing key only at the first login."""
    try:
        _ = settings.SECRET_KEY
    except ImproperlyConfigured:
        raise ImproperlyConfigured("DJANGO_SECRET_KEY is not set") from None


_demand_secret()
