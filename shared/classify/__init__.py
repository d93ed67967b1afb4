"""What kind of task a request is (R3)."""

from shared.classify.cache import ClassificationCache
from shared.classify.local import classify_local, classify_request
from shared.classify.result import Classification, Complexity

__all__ = [
    "Classification",
    "ClassificationCache",
    "Complexity",
    "classify_local",
    "classify_request",
]
