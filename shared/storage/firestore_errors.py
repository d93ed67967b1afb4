"""What Firestore's refusals mean (https://cloud.google.com/firestore/docs/understand-error-codes)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from shared.errors import StoreUnavailable
from shared.storage.errors import (
    AlreadyExists,
    DocumentTooLarge,
    InvalidArgument,
    Missing,
    VersionConflict,
)
from shared.storage.writes import Plan

if TYPE_CHECKING:
    from grpc.aio import AioRpcError

RETRY_AFTER_S = 1.0
# A contended commit was surely not made. UNAVAILABLE may come after it was.
SAFE = frozenset({"ABORTED"})
TRANSIENT = frozenset({"ABORTED", "UNAVAILABLE"})


def code_of(error: AioRpcError) -> str:
    """The status' name: ``NOT_FOUND``."""
    return str(error.code().name)


def is_contended(error: AioRpcError) -> bool:
    """Whether a transaction was aborted, or is so long over that the database forgot it."""
    if code_of(error) == "INVALID_ARGUMENT":
        return "transaction" in (error.details() or "").lower()
    return code_of(error) == "ABORTED"


def translate(error: AioRpcError, plans: Sequence[Plan] = ()) -> Exception:
    """The port's error for a failed call that made ``plans`` (or only read)."""
    code, details = code_of(error), (error.details() or "").strip()
    path = plans[0].path if len(plans) == 1 else None
    where = path or "a commit"
    if code == "ALREADY_EXISTS":
        return AlreadyExists(f"{where}: the document exists already", path)
    if code == "NOT_FOUND" and plans:
        return Missing(f"{where}: there is no such document", path)
    if code == "FAILED_PRECONDITION" and plans:
        return VersionConflict(f"{where}: the document is at another version", path)
    if code == "INVALID_ARGUMENT" and "maximum" in details and "size" in details:
        return DocumentTooLarge(details)
    if code in ("INVALID_ARGUMENT", "FAILED_PRECONDITION", "OUT_OF_RANGE", "UNIMPLEMENTED"):
        # FAILED_PRECONDITION of a query: an index is missing, and the text says which.
        return InvalidArgument(details)
    if code == "RESOURCE_EXHAUSTED" and "message" in details and "size" in details:
        return InvalidArgument(details)
    return StoreUnavailable(f"Firestore: {code}: {details}", retry_after=RETRY_AFTER_S)
