"""Every URL of the service, gathered from Django's resolver, with path parameters filled in."""

import re
from functools import cache
from itertools import product
from typing import Any, TypeAlias
from uuid import UUID

from django.contrib import admin
from django.contrib.admindocs.views import extract_views_from_urlpatterns, simplify_regex
from django.contrib.contenttypes.models import ContentType
from django.db.models import Model, UUIDField
from django.urls import Resolver404, get_resolver, resolve

# Answered by a middleware, so the resolver does not know it.
UNRESOLVED = ("/metrics",)
# One for each type that a path parameter may have.
_MISSING = (str(UUID(int=2**128 - 1)), "999999999", "nothing")
# Of each model that has rows, that of the last one.
Keys: TypeAlias = dict[type[Model], str]
_PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")


def every_url() -> list[str]:
    """Paths, each parameter filled with the keys of rows that are there, and with missing ones.

    A parameter of a page of the admin takes the keys of that page's model, any other those of
    every model; what the route does not take is left out.
    """
    keys = {model: str(row.pk) for model in models() if (row := model._default_manager.last())}
    found = {url for route, view in every_route() for url in _filled(route, view, keys)}
    return sorted({*UNRESOLVED, *found})


@cache
def every_route() -> list[tuple[str, Any]]:
    """Each as `/imports/<uuid:pk>`, and its view."""
    views = extract_views_from_urlpatterns(get_resolver().url_patterns)
    return [(simplify_regex(str(regex)), view) for view, regex, _, _ in views]


def _filled(route: str, view: Any, keys: Keys) -> list[str]:
    names = _PARAMETER.findall(route)
    if not names:
        return [route]
    present = product(*(_present(route, name, keys) for name in names))
    there = [url for chosen in present if _leads(url := _put(route, chosen), view)]
    missing = (_put(route, chosen) for chosen in product(_MISSING, repeat=len(names)))
    gone = next((url for url in missing if _leads(url, view)), None)
    assert there or gone, f"no value fits the parameters of {route}: see _present"
    return [*there, gone] if gone else there


def _put(route: str, values: tuple[str, ...]) -> str:
    given = iter(values)
    return _PARAMETER.sub(lambda _: next(given), route)


def _leads(url: str, view: Any) -> bool:
    try:
        return resolve(url).func is view
    except Resolver404:
        return False


def _present(route: str, name: str, keys: Keys) -> list[str]:
    if name == "content_type_id":
        # One model has numbers for its keys, and one has UUIDs.
        kinds = {isinstance(model._meta.pk, UUIDField): model for model in models()}
        return [str(ContentType.objects.get_for_model(model).pk) for model in kinds.values()]
    if name == "path":
        return ["one/of/none"]
    if name == "token":
        return []  # the key of no row is one, and with each `name` they are hundreds of addresses
    if name == "app_label":
        return sorted({model._meta.app_label for model in models()})
    own = [model for model in models() if f"/{model._meta.label_lower}/".replace(".", "/") in route]
    return [keys[model] for model in own or models() if model in keys]


def models() -> list[type[Model]]:
    """Those that have pages in the admin."""
    return list(admin.site._registry)
