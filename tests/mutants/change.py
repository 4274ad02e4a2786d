"""A change to the source text, located by syntax and not by layout.

A mutant names a function or class by its qualified name (`SpeechPaths._film`), anywhere in the
package, and expressions or statements inside it. Both sides are compared as syntax trees, so that
line breaks, parentheses and comments make no difference, and a module may move. Every piece must
occur exactly once; otherwise the table no longer matches the code, and `NotFound` names the mutant.
"""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


class Mutant(NamedTuple):
    """One change and the tests of which at least one must fail with it."""

    name: str
    place: str  # qualified name of the function or class
    edits: tuple[tuple[str, str], ...]  # (old, new): an expression or a statement each
    tests: tuple[str, ...]  # node ids of pytest


class NotFound(Exception):
    """A piece of a mutant is not in the package exactly once."""


def mutated(mutant: Mutant, package: Path) -> tuple[Path, str]:
    """The module of `package` that the mutant changes, and its changed text."""
    spans: dict[Path, list[tuple[int, int, str]]] = {}
    bodies = list(_bodies(package, mutant.place))
    if not bodies:
        raise NotFound(
            f"{mutant.name}: no function or class {mutant.place} in {package.name}; "
            "mend its row in tests/mutants/table.py"
        )
    for old, new in mutant.edits:
        wanted = _tree(old)
        found = [
            (path, text, node)
            for path, text, body in bodies
            for node in ast.walk(body)
            if _same(node, wanted)
        ]
        if len(found) != 1:
            raise NotFound(
                f"{mutant.name}: `{old}` is {len(found)} times in {mutant.place}, need once; "
                "mend its row in tests/mutants/table.py"
            )
        path, text, node = found[0]
        replacement = new if isinstance(node, ast.stmt) else f"({new})"
        spans.setdefault(path, []).append((*_span(node, text), replacement))
    if len(spans) != 1:
        raise NotFound(
            f"{mutant.name}: its pieces are in several modules; name {mutant.place} more closely"
        )
    (path, pieces), *_ = spans.items()
    text = path.read_bytes()
    for start, end, replacement in sorted(pieces, reverse=True):
        text = text[:start] + replacement.encode() + text[end:]
    ast.parse(text)
    return path, text.decode()


def _bodies(package: Path, place: str) -> Iterator[tuple[Path, bytes, ast.AST]]:
    """Everything called `place` in the package: module, its text, the syntax tree of the
    definition.
    """
    for path in sorted(package.rglob("*.py")):
        text = path.read_bytes()
        if all(f" {name}".encode() in text for name in place.split(".")):
            for name, node in _definitions(ast.parse(text), ""):
                if name == place:
                    yield path, text, node


def _definitions(tree: ast.AST, prefix: str) -> Iterator[tuple[str, ast.AST]]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, FUNCTIONS):
            yield prefix + node.name, node
            yield from _definitions(node, f"{prefix}{node.name}.")
        else:
            yield from _definitions(node, prefix)


def _tree(source: str) -> ast.AST:
    statement = ast.parse(source).body[0]
    return statement.value if isinstance(statement, ast.Expr) else statement


def _same(node: ast.AST, wanted: ast.AST) -> bool:
    return type(node) is type(wanted) and ast.dump(node) == ast.dump(wanted)


def _span(node: ast.AST, text: bytes) -> tuple[int, int]:
    """Byte offsets of a node; its columns are in bytes already."""
    starts = [0]
    for line in text.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    return starts[node.lineno - 1] + node.col_offset, starts[
        node.end_lineno - 1
    ] + node.end_col_offset
