"""Values, documents and writes in and out of Firestore's messages."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping
from datetime import datetime, timedelta

from shared.storage.document import Document, microseconds, moment
from shared.storage.firestore_messages import (
    ArrayMessage,
    DocumentMessage,
    TimestampMessage,
    TransformMessage,
    ValueMessage,
    WriteMessage,
)
from shared.storage.paths import field
from shared.storage.values import Data, Increment, Value, Vector
from shared.storage.writes import Append, Plan, Remove, Step

# How a vector lies in a map value (docs, "Vector search": the type is part of the wire format).
_TYPE, _VECTOR, _NUMBERS = "__type__", "__vector__", "value"
_REQUEST_TIME = 1  # the commit's time, to the millisecond


def encode(value: Value, into: ValueMessage) -> None:
    """Write a checked value into an empty message."""
    if value is None:
        into.null_value = 0
    elif isinstance(value, str):
        into.string_value = value
    elif isinstance(value, bool):
        into.boolean_value = value
    elif isinstance(value, int):
        into.integer_value = value
    elif isinstance(value, float):
        into.double_value = value
    elif isinstance(value, dict):
        into.map_value.SetInParent()
        encode_map(value, into.map_value.fields)
    elif isinstance(value, list):
        encode_list(value, into.array_value)
    elif isinstance(value, datetime):
        set_time(into.timestamp_value, microseconds(value))
    elif isinstance(value, bytes):
        into.bytes_value = value
    else:
        fields = into.map_value.fields
        fields[_TYPE].string_value = _VECTOR
        numbers = fields[_NUMBERS].array_value.values
        for number in value:
            numbers.add().double_value = number


def encode_map(data: Mapping[str, Value], into: MutableMapping[str, ValueMessage]) -> None:
    """Write every field of a map."""
    for name, value in data.items():
        encode(value, into[name])


def encode_list(values: list[Value], into: ArrayMessage) -> None:
    """Write a list, an empty one too."""
    into.SetInParent()
    add = into.values.add
    for value in values:
        encode(value, add())


def set_time(into: TimestampMessage, micros: int) -> None:
    """Write microseconds since 1970."""
    into.seconds, rest = divmod(micros, 1_000_000)
    into.nanos = rest * 1_000


def get_time(message: TimestampMessage) -> int:
    """Microseconds since 1970."""
    return message.seconds * 1_000_000 + message.nanos // 1_000


def decode(message: ValueMessage) -> Value:
    """The value of a message; the parts of others' types (places, references) as text."""
    kind = message.WhichOneof("value_type")
    reader = _READERS.get(kind or "")
    return reader(message) if reader else str(message)


def decode_map(fields: Mapping[str, ValueMessage]) -> Data:
    """Every field of a map or document."""
    return {name: decode(value) for name, value in fields.items()}


def decode_document(message: DocumentMessage) -> Document:
    """A document with its path below the database's root."""
    path = message.name.split("/", 5)[5]
    return Document(
        path,
        decode_map(message.fields),
        get_time(message.update_time),
        get_time(message.create_time),
    )


def fill_write(plan: Plan, name: str, into: WriteMessage) -> None:
    """Write a plan for the document with this full ``name`` into an empty message."""
    if plan.data is None:
        into.delete = name
    else:
        into.update.name = name
        encode_map(plan.data, into.update.fields)
        if plan.mask is not None:
            into.update_mask.SetInParent()
            into.update_mask.field_paths.extend(field(*path) for path in plan.mask)
        for path, transform in plan.transforms:
            _fill_transform(transform, field(*path), into.update_transforms.add())
    if plan.version is not None:
        set_time(into.current_document.update_time, plan.version)
    elif plan.exists is not None:
        into.current_document.exists = plan.exists


def _fill_transform(transform: Step, path: str, into: TransformMessage) -> None:
    into.field_path = path
    if isinstance(transform, Increment):
        encode(transform.by, into.increment)
    elif isinstance(transform, Append):
        encode_list(transform.values, into.append_missing_elements)
    elif isinstance(transform, Remove):
        encode_list(transform.values, into.remove_all_from_array)
    else:
        into.set_to_server_value = _REQUEST_TIME


def _decode_map_value(message: ValueMessage) -> Value:
    fields = message.map_value.fields
    if _TYPE in fields and fields[_TYPE].string_value == _VECTOR:
        numbers = fields[_NUMBERS].array_value.values
        return Vector.trusted(number.double_value or number.integer_value for number in numbers)
    return decode_map(fields)


def _decode_time(message: ValueMessage) -> Value:
    time = message.timestamp_value
    return moment(time.seconds * 1_000_000) + timedelta(microseconds=time.nanos // 1_000)


_READERS: dict[str, Callable[[ValueMessage], Value]] = {
    "null_value": lambda message: None,
    "boolean_value": lambda message: message.boolean_value,
    "integer_value": lambda message: message.integer_value,
    "double_value": lambda message: message.double_value,
    "string_value": lambda message: message.string_value,
    "bytes_value": lambda message: message.bytes_value,
    "reference_value": lambda message: message.reference_value,
    "timestamp_value": _decode_time,
    "array_value": lambda message: [decode(item) for item in message.array_value.values],
    "map_value": _decode_map_value,
}
