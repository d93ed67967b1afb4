"""Firestore's messages (google.firestore.v1), as far as documents and commits need them.

The protobuf classes behind are loaded with the client library on first use; they carry no types of
their own, so these protocols say what the code relies on.
"""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from typing import Protocol, TypeVar

ItemT = TypeVar("ItemT", covariant=True)


class Repeated(Protocol[ItemT]):
    """A repeated message field."""

    def add(self) -> ItemT:
        """Append an empty item and return it."""
        ...

    def __iter__(self) -> Iterator[ItemT]: ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> ItemT: ...


class TimestampMessage(Protocol):
    """google.protobuf.Timestamp."""

    seconds: int
    nanos: int


class ArrayMessage(Protocol):
    """ArrayValue."""

    values: Repeated[ValueMessage]

    def SetInParent(self) -> None:
        """Make the field present, empty as it is."""
        ...


class MapMessage(Protocol):
    """MapValue."""

    fields: MutableMapping[str, ValueMessage]

    def SetInParent(self) -> None:
        """Make the field present, empty as it is."""
        ...


class ValueMessage(Protocol):
    """Value."""

    null_value: int
    boolean_value: bool
    integer_value: int
    double_value: float
    string_value: str
    bytes_value: bytes
    reference_value: str
    timestamp_value: TimestampMessage
    array_value: ArrayMessage
    map_value: MapMessage

    def WhichOneof(self, group: str) -> str | None:
        """Which of the fields is set."""
        ...


class DocumentMessage(Protocol):
    """Document."""

    name: str
    fields: MutableMapping[str, ValueMessage]
    create_time: TimestampMessage
    update_time: TimestampMessage


class PreconditionMessage(Protocol):
    """Precondition."""

    exists: bool
    update_time: TimestampMessage


class TransformMessage(Protocol):
    """DocumentTransform.FieldTransform."""

    field_path: str
    set_to_server_value: int
    increment: ValueMessage
    append_missing_elements: ArrayMessage
    remove_all_from_array: ArrayMessage


class MaskMessage(Protocol):
    """DocumentMask."""

    field_paths: list[str]

    def SetInParent(self) -> None:
        """Make the field present, empty as it is."""
        ...


class WriteMessage(Protocol):
    """Write."""

    update: DocumentMessage
    delete: str
    update_mask: MaskMessage
    update_transforms: Repeated[TransformMessage]
    current_document: PreconditionMessage


class CommitMessage(Protocol):
    """CommitRequest."""

    writes: Repeated[WriteMessage]
    transaction: bytes


class WriteResultMessage(Protocol):
    """WriteResult."""

    update_time: TimestampMessage


class CommitResponseMessage(Protocol):
    """CommitResponse."""

    write_results: Repeated[WriteResultMessage]


class FoundMessage(Protocol):
    """BatchGetDocumentsResponse."""

    found: DocumentMessage

    def HasField(self, name: str) -> bool:
        """Whether the document was found."""
        ...


class QueryResponseMessage(Protocol):
    """RunQueryResponse; some hold progress alone."""

    document: DocumentMessage

    def HasField(self, name: str) -> bool:
        """Whether there is a document in it."""
        ...
