"""The share of one host in work that several hosts do without talking to each other.

The hosts number themselves by flags or by what a launcher sets (`launch/`): `JAX_PROCESS_ID` or
`JOB_COMPLETION_INDEX` with `JAX_NUM_PROCESSES`, Slurm's `SLURM_PROCID` with `SLURM_NTASKS`, or Open
MPI's `OMPI_COMM_WORLD_RANK` with `OMPI_COMM_WORLD_SIZE`. Item i belongs to host i mod N.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeVar

from ksdiff_jax.errors import InputError

_LAUNCHERS = (
    ("JAX_NUM_PROCESSES", ("JAX_PROCESS_ID", "JOB_COMPLETION_INDEX")),
    ("SLURM_STEP_NUM_TASKS", ("SLURM_PROCID",)),
    ("OMPI_COMM_WORLD_SIZE", ("OMPI_COMM_WORLD_RANK",)),
)

Item = TypeVar("Item")


class Share(NamedTuple):
    """Host `index` of `hosts`."""

    index: int = 0
    hosts: int = 1

    def of(self, items: Sequence[Item]) -> list[Item]:
        """Return the items of this host."""
        return list(items[self.index :: self.hosts])


def share(hosts: int | None, index: int | None, environ: Mapping[str, str]) -> Share:
    """Return the share that the flags `--hosts` and `--host-index` describe, otherwise the
    environment, otherwise all.

    Raise `InputError` if they are incomplete or out of range.
    """
    if hosts is not None or index is not None:
        if hosts is None or index is None:
            raise InputError("--hosts and --host-index: need both, or none")
        return _checked("--hosts", hosts, "--host-index", index)
    for count_name, index_names in _LAUNCHERS:
        if count_name not in environ:
            continue
        found = [name for name in index_names if name in environ]
        count = _number(environ, count_name)
        if found:
            return _checked(count_name, count, found[0], _number(environ, found[0]))
        if count > 1:
            raise InputError(
                f"{count_name}={count}, but {' and '.join(index_names)} missing: need the number "
                "of this host, or --hosts and --host-index"
            )
    return Share()


def _checked(count_name: str, count: int, index_name: str, index: int) -> Share:
    if count < 1 or not 0 <= index < count:
        raise InputError(
            f"{count_name} {count}, {index_name} {index}: hosts are numbered from 0 to one less "
            "than there are"
        )
    return Share(index, count)


def _number(environ: Mapping[str, str], name: str) -> int:
    if not environ[name].isdecimal():
        raise InputError(f"{name} {environ[name]!r} in the environment: need a whole number")
    return int(environ[name])
