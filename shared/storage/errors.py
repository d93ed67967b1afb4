"""What a store call can end in, beside ``shared.errors.StoreUnavailable``: a closed set.

A ``PreconditionFailed`` is an outcome the caller decides on: another writer came first. An
``InvalidArgument`` is a fault of the calling code (a bad path, value or query) and never depends on
what is stored, but for ``DocumentTooLarge``.
"""

from __future__ import annotations


class PreconditionFailed(Exception):
    """Nothing was written, because one document was not as the write demands.

    ``path`` names that document; None where a commit of several writes failed and the database
    did not say which.
    """

    def __init__(self, message: str, path: str | None = None) -> None:
        super().__init__(message)
        self.path = path


class AlreadyExists(PreconditionFailed):
    """``create`` found a document."""


class Missing(PreconditionFailed):
    """``update`` without ``if_version`` found no document."""


class VersionConflict(PreconditionFailed):
    """The document is at another version than ``if_version`` says, or gone.

    From ``transaction``: others got in between at every attempt.
    """


class InvalidArgument(ValueError):
    """A path, value, write or query the store cannot take."""


class DocumentTooLarge(InvalidArgument):
    """The document would be larger than 1 MiB."""
