"""Data checked against the shape of a struct, with every problem told and where it stands.

``msgspec`` checks in C and stops at the first thing that is wrong, without the names of the keys
that lead there. That is all a right file needs. Only for one that is wrong is it walked through
here, part by part.
"""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from typing import Annotated, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Struct

T = TypeVar("T")
Path = tuple[str, ...]
# What a shape is told as: a class, or what ``typing`` makes of one.
Shape = object


def checked(data: object, shape: type[T]) -> tuple[T | None, list[tuple[Path, str]]]:
    """``data`` as ``shape``, or None and its problems: the keys that lead there, and what is wrong.

    Types are taken by the letter: true is no number and "5" is none.
    """
    try:
        return msgspec.convert(data, shape), []
    except msgspec.ValidationError as error:
        return None, list(_problems(data, shape, ())) or [((), _said(error))]


def _problems(data: object, shape: Shape, path: Path) -> Iterator[tuple[Path, str]]:
    """Every problem of ``data``; none where it is right."""
    try:
        msgspec.convert(data, shape)
        return
    except msgspec.ValidationError as error:
        said = _said(error)
    found = False
    for part, inner, name in _parts(data, shape):
        for problem in _problems(part, inner, (*path, name)):
            found = True
            yield problem
    for name, message in _missing_or_unknown(data, shape):
        found = True
        yield (*path, name), message
    if not found:
        yield path, said


def _parts(data: object, shape: Shape) -> Iterator[tuple[object, Shape, str]]:
    """What ``data`` is made of, each with its own shape and name."""
    shape = _plain(shape)
    inner = get_args(shape)
    if isinstance(data, Mapping):
        fields = _fields(shape)
        if fields is not None:
            for name, value in data.items():
                if name in fields:
                    yield value, fields[name], str(name)
        elif get_origin(shape) is dict:
            for name, value in data.items():
                yield name, inner[0], str(name)
                yield value, inner[1], str(name)
    elif isinstance(data, list) and inner and get_origin(shape) in (list, tuple, frozenset):
        for at, value in enumerate(data):
            yield value, inner[0], str(at)


def _missing_or_unknown(data: object, shape: Shape) -> Iterator[tuple[str, str]]:
    shape = _plain(shape)
    fields = _fields(shape)
    if fields is None or not isinstance(data, Mapping):
        return
    assert isinstance(shape, type)
    assert issubclass(shape, Struct)
    for name in data:
        if name not in fields:
            yield str(name), f"unknown; there are {', '.join(fields)}"
    for one in msgspec.structs.fields(shape):
        if one.required and one.name not in data:
            yield one.name, "is missing"


def _fields(shape: Shape) -> dict[str, Shape] | None:
    """The fields of a struct with their shapes; None for anything else."""
    if isinstance(shape, type) and issubclass(shape, Struct):
        hints: dict[str, Shape] = get_type_hints(shape, include_extras=True)
        return {one.name: hints[one.name] for one in msgspec.structs.fields(shape)}
    return None


def _plain(shape: Shape) -> Shape:
    """The shape itself, where it is wrapped in bounds or may also be None."""
    if get_origin(shape) is Annotated:
        return _plain(get_args(shape)[0])
    if get_origin(shape) in (Union, types.UnionType):
        kinds = [kind for kind in get_args(shape) if kind is not type(None)]
        if len(kinds) == 1:
            return _plain(kinds[0])
    return shape


def _said(error: msgspec.ValidationError) -> str:
    """msgspec's sentence without its own note of the place."""
    return str(error).partition(" - at `")[0]
