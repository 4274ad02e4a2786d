"""Terminal output, for any encoding, reader and name."""

import io
import json
import logging
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from ksdiff_jax.cli import doctor
from ksdiff_jax.cli.console import Console, notices_as_lines, without_library_logs
from ksdiff_jax.cli.main import main
from ksdiff_jax.cli.streams import escape_unsupported, put_error
from ksdiff_jax.errors import InputError, Notice

NAME = os.fsdecode(b"caf\xe9 \x1b[31m") + "日本 😀\n.wav"


def terminal(monkeypatch, encoding, name="stdout"):
    stream = io.TextIOWrapper(io.BytesIO(), encoding, errors="strict")
    escape_unsupported(stream)
    monkeypatch.setattr(sys, name, stream)
    return stream.buffer


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [
        ("utf-8", "wrote caf\\xe9 \\x1b[31m日本 😀\\n.wav\n"),
        ("latin-1", "wrote caf\\xe9 \\x1b[31m\\u65e5\\u672c \\U0001f600\\n.wav\n"),
        ("ascii", "wrote caf\\xe9 \\x1b[31m\\u65e5\\u672c \\U0001f600\\n.wav\n"),
    ],
)
def test_a_name_is_one_line_on_a_terminal_of_any_encoding(encoding, shown, monkeypatch):
    out, err = terminal(monkeypatch, encoding), terminal(monkeypatch, encoding, "stderr")
    Console("x").say(f"wrote {NAME}")
    Console("x").warn(f"{NAME}: odd")
    Console("x").fail(f"{NAME}: bad")
    assert out.getvalue().decode(encoding) == shown
    assert len(err.getvalue().decode(encoding).splitlines()) == 2
    assert b"\x1b" not in err.getvalue()


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "ascii", "utf-16"])
def test_json_on_a_terminal_of_any_encoding_gives_back_the_name(encoding, monkeypatch):
    out = terminal(monkeypatch, encoding)
    Console("x", as_json=True).result({"files": [NAME], "mean": float("nan")})
    assert json.loads(out.getvalue().decode(encoding)) == {"files": [NAME], "mean": None}


def test_a_closed_standard_error_does_not_spoil_standard_output(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stderr", None)
    put_error("lost")
    assert capsys.readouterr().out == ""


def test_the_same_notice_is_shown_once_and_another_as_well(capsys):
    with notices_as_lines(Console("x")):
        for text in ("a.wav: was cut", "a.wav: was cut", "b.wav: was cut", "a.wav: was cut"):
            warnings.warn(text, Notice, stacklevel=1)
    assert (
        capsys.readouterr().err
        == "ksdiff-jax x: warning: a.wav: was cut\nksdiff-jax x: warning: b.wav: was cut\n"
    )


def chatter():
    warnings.warn("of a library", RuntimeWarning, stacklevel=2)
    logging.getLogger("a.library").warning("log line")
    logging.getLogger("a.library").error("log line")


@pytest.mark.parametrize(
    ("options", "silent"), [([], True), (["--json"], True), (["--verbose"], False)]
)
def test_libraries_write_nothing_unless_asked_for(options, silent, monkeypatch, capfd):
    def run(args):
        chatter()
        return 0

    monkeypatch.setattr(doctor, "run", run)
    # Without pytest's handlers: Python then prints what no handler takes.
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    assert main(["doctor", *options]) == 0
    assert (capfd.readouterr().err == "") == silent


def test_the_handlers_of_the_caller_stay_as_they_were():
    before = list(logging.getLogger().handlers)
    with without_library_logs(Console("x")):
        assert len(logging.getLogger().handlers) == len(before) + 1
    assert logging.getLogger().handlers == before


@pytest.mark.parametrize("name", ["q" * 300, "q/" * 3000])
@pytest.mark.parametrize(
    "command", [["inspect"], ["convert", "encoder", "--out", "x"], ["evaluate", "--checkpoint"]]
)
def test_a_path_that_is_too_long_is_one_line(command, name, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main([*command, name]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"ksdiff-jax {command[0]}: ") and "too long" in line


def test_an_error_of_the_system_about_a_path_is_one_line_and_another_is_ours(monkeypatch, capsys):
    def fail(error):
        def run(args):
            raise error

        return run

    monkeypatch.setattr(
        doctor, "run", fail(PermissionError(13, "Permission denied", "/secret/a.wav"))
    )
    assert main(["doctor"]) == 2
    assert capsys.readouterr().err.startswith(
        "ksdiff-jax doctor: /secret/a.wav: cannot be used (permission denied)"
    )
    monkeypatch.setattr(doctor, "run", fail(FileNotFoundError(2, "No such file", "ours.npz")))
    with pytest.raises(FileNotFoundError):
        main(["doctor"])


def test_a_device_that_is_not_here_is_named_by_where_it_was_asked_for(monkeypatch):
    import jax

    from ksdiff_jax.cli.device import use_device

    def none(backend=None):
        raise RuntimeError("Unknown backend")

    monkeypatch.setattr(jax, "devices", none)
    monkeypatch.setenv("JAX_PLATFORMS", "nonsense")
    with pytest.raises(InputError, match=r"^JAX_PLATFORMS=nonsense: JAX finds no such device"):
        use_device(None)


PROGRAM = f"{sys.executable} -m ksdiff_jax"


@pytest.mark.parametrize(
    ("call", "status", "out", "lines"),
    [
        ("nonsense 2>&-", 2, "", 0),  # the error is not in standard output
        ("nonsense 2>/dev/full", 2, "", 0),
        ("--version >&-", 0, "", 0),
        ("--version <&- >&- 2>&-", 0, "", 0),
        ("nonsense <&-", 2, "", 1),
    ],
)
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_closed_and_full_streams_end_in_the_true_status(call, status, out, lines, tmp_path):
    done = subprocess.run(
        ["/bin/sh", "-c", f"{PROGRAM} {call}"], capture_output=True, text=True, cwd=tmp_path
    )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (status, out, lines)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_run_whose_log_is_on_a_full_disk_goes_on_and_ends_with_its_own_status(tmp_path):
    code = (
        "from ksdiff_jax.cli import main, doctor\n"
        "from ksdiff_jax.train.report.progress import Progress\n"
        "import pathlib, sys\n"
        "def run(args):\n"
        "    progress = Progress(10)\n"
        "    for number in range(9): progress.tell(f'line {number}')\n"
        "    progress.close(); pathlib.Path('done').touch(); return 3\n"
        "doctor.run = run; sys.argv[1:] = ['doctor']; sys.exit(main.main())"
    )
    with Path("/dev/full").open("w") as full:
        assert (
            subprocess.run([sys.executable, "-c", code], stderr=full, cwd=tmp_path).returncode == 3
        )
    assert (tmp_path / "done").exists()


def test_a_file_opened_under_closed_streams_holds_nothing_but_its_own(tmp_path):
    """Where numbers 1 and 2 are free, the first files opened get them, and with them what C
    libraries print.
    """
    code = (
        "import os; from ksdiff_jax.cli.streams import repair_streams; repair_streams();"
        "file = open('result', 'w'); os.write(1, b'noise'); os.write(2, b'noise'); "
        "file.write('right')"
    )
    subprocess.run(
        ["/bin/sh", "-c", f'{sys.executable} -c "{code}" >&- 2>&-'], cwd=tmp_path, check=True
    )
    assert (tmp_path / "result").read_text() == "right"


def test_the_work_goes_on_when_the_reader_of_the_lines_has_gone(tmp_path):
    code = (
        "from ksdiff_jax.cli import main, doctor; from ksdiff_jax.cli.console import Console; "
        "import pathlib, sys\n"
        "def run(args):\n"
        "    for number in range(20000): Console('doctor').say(f'line {number}')\n"
        "    pathlib.Path('done').touch(); return 3\n"
        "doctor.run = run; sys.argv[1:] = ['doctor']; sys.exit(main.main())"
    )
    writing = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path
    )
    writing.stdout.readline()
    writing.stdout.close()
    assert (writing.wait(), writing.stderr.read()) == (3, b"")
    writing.stderr.close()
    assert (tmp_path / "done").exists()
