"""Nothing may wait for itself: Terraform refuses files in which resources need each other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from infra.hcl import Block, Reference, mentions

Node = tuple[str, ...]


def cycle_problems(blocks: Sequence[Block]) -> list[str]:
    """One line for each ring of resources, data and locals that need each other."""
    graph = _graph(blocks)
    problems: list[str] = []
    done: set[Node] = set()
    for start in graph:
        if start not in done:
            problems += _rings(start, graph, done)
    return problems


def _graph(blocks: Sequence[Block]) -> dict[Node, list[Node]]:
    """Every node and what it needs, by any attribute of it or of the blocks inside."""
    needs: dict[Node, list[Node]] = {}
    for block in blocks:
        if block.kind == "locals":
            for name, value in block.attributes.items():
                needs["local", name] = list(_nodes(mentions(value).references))
        elif block.kind in ("resource", "data"):
            node = block.labels if block.kind == "resource" else ("data", *block.labels)
            needs[node] = [
                found
                for part in block.walk()
                for value in part.attributes.values()
                for found in _nodes(mentions(value).references)
            ]
    return needs


def _nodes(references: Iterable[Reference]) -> Iterator[Node]:
    for reference in references:
        yield reference.path[: 3 if reference.path[0] == "data" else 2]


def _rings(start: Node, graph: dict[Node, list[Node]], done: set[Node]) -> Iterator[str]:
    """Depth first from ``start``; what was finished is in ``done``."""
    path: list[Node] = [start]
    ways = [iter(graph[start])]
    while path:
        following = next(ways[-1], None)
        if following is None:
            ways.pop()
            done.add(path.pop())
        elif following in path:
            ring = [*path[path.index(following) :], following]
            yield f"wait for each other: {' -> '.join('.'.join(node) for node in ring)}"
        elif following in graph and following not in done:
            path.append(following)
            ways.append(iter(graph[following]))
