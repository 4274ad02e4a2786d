"""Functions on trees of arrays: flat names, counts, rows, digests."""

import hashlib
from collections.abc import Mapping

import jax
import numpy as np

from ksdiff_jax.typing import PyTree


def named_leaves(tree: PyTree) -> dict[str, jax.Array | np.ndarray | jax.ShapeDtypeStruct]:
    """Return leaves by their path, as `"generator/layer_0/attention/query/kernel"`, in the tree's
    own order.
    """
    flat, _ = jax.tree.flatten_with_path(tree)
    return {"/".join(_name(entry) for entry in path): leaf for path, leaf in flat}


def nested(leaves: Mapping[str, jax.Array | np.ndarray | jax.ShapeDtypeStruct]) -> dict:
    """Return the inverse of `named_leaves` for a tree of dicts."""
    tree: dict = {}
    for name, leaf in leaves.items():
        *parents, last = name.split("/")
        node = tree
        for parent in parents:
            node = node.setdefault(parent, {})
        node[last] = leaf
    return tree


def parameter_count(tree: PyTree) -> int:
    """Return the number of scalars in all leaves."""
    return sum(int(np.prod(np.shape(leaf))) for leaf in jax.tree.leaves(tree))


def rows_of(batch: PyTree) -> int:
    """Rows of a batch: the length of the first axis of its leaves."""
    return jax.tree.leaves(batch)[0].shape[0]


def leaf_digest(leaf: jax.Array | np.ndarray) -> str:
    """Return the SHA-256 over dtype, shape and bytes of one array."""
    array = np.asarray(leaf)
    header = f"{array.dtype.name}{array.shape}".encode()
    return hashlib.sha256(header + np.ascontiguousarray(array).tobytes()).hexdigest()


def tree_digest(tree: PyTree) -> str:
    """Return the SHA-256 over the names and digests of all leaves; it is equal only if the trees
    are equal bit for bit.
    """
    lines = (f"{name} {leaf_digest(leaf)}" for name, leaf in sorted(named_leaves(tree).items()))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _name(entry) -> str:
    for attribute in ("key", "name", "idx"):
        if hasattr(entry, attribute):
            return str(getattr(entry, attribute))
    return str(entry)
