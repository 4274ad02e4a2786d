"""Ctrl-C and SIGTERM wherever they meet the program: its status, one line, no unfinished file."""

import subprocess
import sys
import textwrap

import pytest

# A program that a shell starts with `&` ignores Ctrl-C, as its children do. The tests may be one.
HEEDED = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
WORK = """
    import gc, os, signal, sys, time
    from pathlib import Path
    from ksdiff_jax.cli import doctor, main
    from ksdiff_jax.outputs import writing

    def in_a_callback(number):
        def callback(*phase):
            gc.callbacks.clear()
            os.kill(os.getpid(), number)
            for _ in range(10):  # the handler runs between two of these
                time.sleep(0.001)
        gc.callbacks.append(callback)
        gc.collect()

    def in_an_import(number):
        try:
            in_a_wait(number)
        except BaseException as error:
            raise ImportError("the extension failed") from error

    def in_a_wait(number):
        os.kill(os.getpid(), number)
        time.sleep(20)

    def run(args):
        with writing(Path(sys.argv[2]) / "a.txt", "arkit") as temporary:
            temporary.write_text("half")
            globals()[sys.argv[3]](int(sys.argv[4]))
            time.sleep(20)
            print("went on")
        return 0

    doctor.run = run
    doctor.add_arguments = lambda parser: parser.add_argument("rest", nargs="*")
    sys.argv[1:2] = ["doctor"]
    raise SystemExit(main.main())
"""


@pytest.mark.parametrize(
    ("place", "number", "said"),
    [
        ("in_a_wait", 2, "ksdiff-jax: interrupted\n"),
        ("in_a_callback", 2, "ksdiff-jax: interrupted\n"),
        ("in_an_import", 2, "ksdiff-jax: interrupted\n"),
        ("in_a_callback", 15, ""),
    ],
)
def test_a_signal_ends_the_program_wherever_it_arrives(tmp_path, place, number, said):
    program = HEEDED + textwrap.dedent(WORK)
    command = [sys.executable, "-c", program, "-", str(tmp_path), place, str(number)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=15)
    assert (done.returncode, done.stderr, done.stdout) == (128 + number, said, "")
    assert list(tmp_path.iterdir()) == []


def test_a_second_signal_ends_a_program_that_does_not_leave(tmp_path):
    code = """
        import os, signal, time
        from ksdiff_jax.cli.interrupts import Interrupts

        Interrupts().install()
        try:
            signal.raise_signal(signal.SIGINT)
        finally:
            signal.raise_signal(signal.SIGINT)  # the same one
            time.sleep(1.1)
            signal.raise_signal(signal.SIGINT)
            time.sleep(20)
    """
    done = subprocess.run([sys.executable, "-c", HEEDED + textwrap.dedent(code)], timeout=15)
    assert done.returncode == -2
