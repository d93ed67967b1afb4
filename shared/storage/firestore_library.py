"""Firestore's messages without the rest of Google's client library.

``google.cloud.firestore_v1`` imports clients, batches, bulk writers and pipelines with itself:
250 ms and 27 MiB of every cold start, of which the messages are a fifth. So the package is put in
place without being run; whoever asks it for anything but its submodules has it run then.
"""

from __future__ import annotations

import importlib.util
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType

PACKAGE = "google.cloud.firestore_v1"


def prepare() -> None:
    """Make ``google.cloud.firestore_v1.types`` cheap to import. Does nothing where the package is
    loaded already, or is not laid out as it was."""
    if PACKAGE in sys.modules:
        return
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.loader is None or spec.submodule_search_locations is None:
        return
    module = importlib.util.module_from_spec(spec)
    vars(module)["__getattr__"] = _Late(module, spec)
    sys.modules[PACKAGE] = module


class _Late:
    """The package's own ``__getattr__`` (PEP 562) until it is run."""

    __slots__ = ("_module", "_spec")

    def __init__(self, module: ModuleType, spec: ModuleSpec) -> None:
        self._module = module
        self._spec = spec

    def __call__(self, name: str) -> object:
        """What the package has under ``name``; a submodule is left to the import that asks."""
        dunder = name.startswith("__")
        if dunder or importlib.util.find_spec(f"{PACKAGE}.{name}") is not None:
            raise AttributeError(name)
        vars(self._module).pop("__getattr__", None)
        assert self._spec.loader is not None
        self._spec.loader.exec_module(self._module)
        found: object = getattr(self._module, name)
        return found
