"""Computes how large Arrow values will be in Python before any of them is converted."""

from collections.abc import Iterable
from functools import reduce
from typing import Any

from importer.reading.arrow.values import is_text
from importer.reading.chunks import CHUNK_ROWS, MAX_LINE

# Bytes that count for a value that is not text, and for a place in a list.
_PLACE = 8


def sizes(array: Any) -> Any:
    """The size of each value in bytes, including nested values, as an Arrow array.

    A dictionary's value counts for each row that has it: it is stored once, but it may be converted
    a million times.
    """
    from pyarrow import BaseExtensionType, compute, int64, large_binary, types  # noqa: PLC0415

    kind = array.type
    if isinstance(kind, BaseExtensionType):
        return sizes(array.storage)
    if types.is_dictionary(kind):
        return sizes(array.dictionary).take(array.indices).fill_null(0)
    if is_text(kind):
        if types.is_string_view(kind) or types.is_binary_view(kind):
            array = array.cast(large_binary())
        return compute.binary_length(array).cast(int64()).fill_null(0)
    if types.is_struct(kind):
        return _added(_same(_PLACE, array), map(sizes, array.flatten()))
    if types.is_nested(kind):
        return _of_lists(array)
    fixed = types.is_fixed_size_binary(kind)
    return _same(max(_PLACE, kind.byte_width) if fixed else _PLACE, array)


def _same(size: int, array: Any) -> Any:
    from pyarrow import int64, repeat, scalar  # noqa: PLC0415

    return repeat(scalar(size, int64()), len(array))


def _of_lists(array: Any) -> Any:
    from pyarrow import array as made  # noqa: PLC0415
    from pyarrow import compute, concat_arrays, int64, list_, types  # noqa: PLC0415

    if types.is_fixed_size_list(array.type):
        array = array.cast(list_(array.type.value_field))
    inner = (array.keys, array.items) if types.is_map(array.type) else (array.values,)
    each = _added(sizes(inner[0]), map(sizes, inner[1:]))
    until = concat_arrays([made([0], int64()), compute.cumulative_sum(compute.add(each, _PLACE))])
    starts = array.offsets.slice(0, len(array))
    ends = compute.add(starts, array.sizes) if hasattr(array, "sizes") else array.offsets.slice(1)
    return compute.subtract(until.take(ends), until.take(starts))


def _added(first: Any, others: Iterable[Any]) -> Any:
    from pyarrow import compute  # noqa: PLC0415

    return reduce(compute.add, others, first)


def is_small(batch: Any) -> bool:
    """Whether no row can be large: the batch has few bytes and no dictionary that could expand."""
    return batch.nbytes <= MAX_LINE and not any(map(_has_dictionary, batch.schema.types))


def _has_dictionary(kind: Any) -> bool:
    from pyarrow import types  # noqa: PLC0415

    inner = (kind.field(index).type for index in range(kind.num_fields))
    return types.is_dictionary(kind) or any(map(_has_dictionary, inner))


def largest(once: Any, group: int, path: str) -> int:
    """The size in bytes of a column's largest row. `once` is the file, read with dictionaries."""
    from pyarrow import compute  # noqa: PLC0415

    found = 0
    for batch in once.iter_batches(batch_size=CHUNK_ROWS, row_groups=[group], columns=[path]):
        found = max(found, compute.max(sizes(batch.column(0))).as_py() or 0)
    return found
