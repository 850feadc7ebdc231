"""The values of a field, by which a trend is broken down."""

from analytics.segments.expressions import Field
from analytics.segments.readers import Bind, reader


def value_sql(field: Field, bind: Bind) -> str:
    """SQL of the value as text; NULL for null, an object, an array, and where there is none."""
    if not field.path:
        return f"toString({field.name})"

    def named(name: str, type_name: str, value: object) -> str:
        return bind(f"value_{name}", type_name, value)

    typed = reader(field, named).typed
    text, truth = typed("String"), typed("Bool")
    numbers = [typed(name) for name in ("Int64", "UInt64", "Float64")]
    as_text = ", ".join(f"isNotNull({one}), toString({one})" for one in numbers)
    return (
        f"multiIf(isNotNull({text}), {text}, {as_text}, isNull({truth}), NULL,"
        f" {truth}, 'true', 'false')"
    )
