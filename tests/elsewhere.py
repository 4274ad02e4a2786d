"""A process in the environment of Windows, as far as Linux can simulate it, without grain and TFDS.

test_elsewhere.py runs it. Nothing can import grain, TensorFlow Datasets and array_record. The
modules of ksdiff_jax (but not other packages, which check the system's name) cannot import modules
that Windows lacks, and have only the parts of `os` and `signal` that Windows has. It runs the
commands in its only argument, a JSON list of lists, one after the other, and prints the exit status
of each as a JSON list. Finally it fails if any of the hidden modules was imported.
"""

import builtins
import json
import os
import signal
import sys
import types

NOBODY_HAS = {"grain", "tensorflow_datasets", "array_record"}
POSIX_MODULES = {
    *(
        "fcntl",
        "pwd",
        "grp",
        "resource",
        "termios",
        "tty",
        "pty",
        "posix",
        "readline",
        "syslog",
        "crypt",
        "spwd",
    ),
    *("nis", "curses", "posixpath"),
}
# What the Windows build of Python 3.11 has in `os` of all that the POSIX build takes from the C
# module.
OS_OF_WINDOWS = set(
    """
    abort access chdir chmod close closerange cpu_count device_encoding dup dup2 environ error execv
    execve fspath fstat fsync ftruncate get_inheritable get_terminal_size getcwd getcwdb getlogin
    getpid getppid isatty kill link listdir lseek lstat mkdir open pipe putenv read readlink remove
    rename replace rmdir scandir set_inheritable spawnv spawnve stat stat_result statvfs_result
    strerror symlink system terminal_size times times_result truncate umask uname_result unlink
    unsetenv urandom utime waitpid waitstatus_to_exitcode write DirEntry F_OK R_OK W_OK X_OK
    O_APPEND O_CREAT O_EXCL O_RDONLY O_RDWR O_TRUNC O_WRONLY P_NOWAIT P_NOWAITO P_WAIT TMP_MAX EX_OK
    """.split()  # noqa: SIM905
)
SIGNALS_OF_WINDOWS = set(
    """
    SIGABRT SIGFPE SIGILL SIGINT SIGSEGV SIGTERM SIG_DFL SIG_IGN NSIG Signals Handlers signal
    getsignal default_int_handler raise_signal set_wakeup_fd strsignal valid_signals
    """.split()  # noqa: SIM905
)


def posix_only_os() -> set[str]:
    """Names of `os` that only POSIX systems have."""
    import posix

    also = {
        "fwalk",
        "register_at_fork",
        "sched_getaffinity",
        "spawnlp",
        "spawnvp",
        "spawnlpe",
        "spawnvpe",
    }
    return ({name for name in dir(posix) if not name.startswith("_")} | also) - OS_OF_WINDOWS


def posix_only_signals() -> set[str]:
    """Names of `signal` that only POSIX systems have."""
    return {name for name in dir(signal) if not name.startswith("_")} - SIGNALS_OF_WINDOWS


def without(module: types.ModuleType, names: set[str]) -> types.ModuleType:
    """A copy of a module that lacks these names."""
    copy = types.ModuleType(module.__name__)
    copy.__dict__.update({name: value for name, value in vars(module).items() if name not in names})
    return copy


class Nothing:
    """An import hook that knows nothing of `NOBODY_HAS`."""

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in NOBODY_HAS:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def hide() -> None:
    """Hide all of it from here on."""
    replaced = {"os": without(os, posix_only_os()), "signal": without(signal, posix_only_signals())}
    replaced["msvcrt"] = msvcrt()
    original = builtins.__import__

    def imported(name, globals=None, locals=None, fromlist=(), level=0):
        if globals and str(globals.get("__name__", "")).startswith("ksdiff_jax"):
            if name.split(".")[0] in POSIX_MODULES:
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)
            if name in replaced:
                return replaced[name]
        return original(name, globals, locals, fromlist, level)

    builtins.__import__ = imported
    sys.meta_path.insert(0, Nothing())


def msvcrt() -> types.ModuleType:
    """Windows's module with the one function that we use; POSIX locks stand behind it."""
    import fcntl

    def locking(number, mode, count):
        assert (mode, count) == (module.LK_NBLCK, 1)
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise PermissionError(13, "Permission denied") from error

    module = types.ModuleType("msvcrt")
    module.LK_NBLCK, module.locking = 2, locking
    return module


if __name__ == "__main__":
    assert not [name for name in sys.modules if name.startswith("ksdiff_jax")]
    hide()
    from ksdiff_jax.cli.main import main

    statuses = [main(command) for command in json.loads(sys.argv[1])]
    assert not NOBODY_HAS & set(sys.modules)
    print(json.dumps(statuses))
