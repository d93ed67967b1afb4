"""What kind of task a request is (R3)."""

from shared.classify.local import classify_local, classify_request
from shared.classify.result import Classification, Complexity

__all__ = ["Classification", "Complexity", "classify_local", "classify_request"]
