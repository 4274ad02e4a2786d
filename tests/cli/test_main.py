"""The command line as a whole: its list of commands, its answers to mistakes, and the speed of its
help.
"""

import importlib
import os
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from ksdiff_jax.cli import main as cli
from ksdiff_jax.cli.main import COMMANDS, main
from tests.conftest import REPOSITORY


def test_the_overview_lists_every_command_with_a_summary(capsys):
    assert main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    for name in COMMANDS:
        (line,) = [line for line in lines if line.startswith(f"  {name} ")]
        assert len(line.split(maxsplit=1)[1]) > 10


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command, capsys):
    assert main([command, "--help"]) == 0
    assert f"ksdiff-jax {command}" in capsys.readouterr().out.split("options:")[-1]


def test_help_imports_nothing_heavy():
    heavy = "{'jax', 'numpy', 'librosa', 'matplotlib', 'av', 'numba', 'scipy'}"
    code = (
        f"import sys; from ksdiff_jax.cli.main import main; main(['--help']); print({heavy} & "
        "set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "set()"


def test_version_is_the_packages(capsys):
    from ksdiff_jax import __version__

    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"ksdiff-jax {__version__}\n"


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["animat"], "did you mean animate?"),
        (["--verison"], "unknown option"),
        (["animate"], "--out"),
        (["animate", "a.wav"], "--out"),
    ],
)
def test_a_wrong_call_is_one_line_and_status_2(argv, said, capsys):
    assert main(argv) == 2
    err = capsys.readouterr().err.splitlines()
    assert len(err) == 1 and said in err[0]


def test_a_mistake_of_the_caller_has_no_traceback_and_a_bug_has_one(monkeypatch, capsys):
    from ksdiff_jax.cli import animate
    from ksdiff_jax.errors import InputError

    def raising(error):
        def run(args):
            raise error

        return run

    arguments = ["animate", "a.wav", "--out", "x"]
    monkeypatch.setattr(animate, "run", raising(InputError("got this,\n need that")))
    assert main(arguments) == 2
    assert capsys.readouterr().err == "ksdiff-jax animate: got this, need that\n"
    monkeypatch.setattr(animate, "run", raising(ZeroDivisionError()))
    with pytest.raises(ZeroDivisionError):
        main(arguments)
    monkeypatch.setattr(animate, "run", raising(KeyboardInterrupt()))
    assert main(arguments) == 130


def test_python_dash_m_is_the_same_program():
    done = subprocess.run(
        [sys.executable, "-m", "ksdiff_jax", "nonsense"], capture_output=True, text=True
    )
    assert done.returncode == 2 and done.stderr.count("\n") == 1


def test_dotted_overrides_are_collected_for_commands_that_take_them():
    parser = cli.CommandParser(prog="x")
    given = ["--train.steps", "5", "demo", "--a.b=c=d", "--steps", "7"]
    assert cli._overrides(given, parser) == (
        ["demo", "--steps", "7"],
        {"train.steps": "5", "a.b": "c=d"},
    )
    for no_value in (["--train.steps"], ["--data.path", "--train.steps", "5"]):
        with pytest.raises(SystemExit) as leaving:
            cli._overrides(no_value, parser)
        assert leaving.value.code == 2
    for wrong in (["--steps", "5"], ["5"]):
        assert cli.main(["train", "demo", *wrong]) == 2


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("arguments", [["--help"], ["doctor"], ["inspect", "demo"]])
def test_output_to_a_full_disk_is_one_line(arguments):
    with Path("/dev/full").open("w") as full:
        program = [sys.executable, "-m", "ksdiff_jax", *arguments]
        done = subprocess.run(program, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 2
    assert (
        done.stderr == "ksdiff-jax: standard output cannot be written (No space left on device)\n"
    )


def test_an_error_of_a_disk_that_is_not_the_outputs_keeps_its_traceback(monkeypatch, capfd):
    from ksdiff_jax.cli import doctor

    def fail(args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(doctor, "run", fail)
    with pytest.raises(OSError, match="No space left"):
        main(["doctor"])


def test_a_notice_is_a_line_without_its_source_unless_quiet(monkeypatch, capsys):
    from ksdiff_jax.cli import doctor
    from ksdiff_jax.errors import Notice

    def notice(args):
        warnings.warn("two lines\nof a clip were cut", Notice, stacklevel=2)
        return 0

    monkeypatch.setattr(doctor, "run", notice)
    assert main(["doctor"]) == 0
    assert capsys.readouterr().err == "ksdiff-jax doctor: warning: two lines of a clip were cut\n"
    main(["doctor", "--quiet"])
    assert capsys.readouterr().err == ""


def test_fields_of_the_configuration_may_come_before_its_name(monkeypatch):
    from ksdiff_jax.cli import train

    seen = []
    monkeypatch.setattr(train, "run", seen.append)
    for arguments in (["--train.steps", "5", "demo"], ["demo", "--train.steps=5"]):
        assert main(["train", *arguments]) == 0
    assert [(args.config, args.overrides) for args in seen] == [("demo", {"train.steps": "5"})] * 2


def test_hyphens_in_the_name_of_a_field_are_as_good_as_underscores_and_values_stay_as_they_are():
    parser = cli.CommandParser(prog="x")
    given = [
        "--train.checkpoint-every",
        "50",
        "--model.encoder.path=my-en_coder",
        "--train.learning_rate",
        "-1",
    ]
    fields = {
        "train.checkpoint_every": "50",
        "model.encoder.path": "my-en_coder",
        "train.learning_rate": "-1",
    }
    assert cli._overrides(given, parser) == ([], fields)
    # The last of two spellings counts, as of two equal names.
    assert cli._overrides(["--t.a-b=1", "--t.a_b=2", "--t.a-b=3"], parser) == ([], {"t.a_b": "3"})
    # After `--` nothing is an option.
    assert cli._overrides(["--", "--t.a-b=1"], parser) == (["--", "--t.a-b=1"], {})


@pytest.mark.parametrize(
    ("given", "nearest"),
    [
        ("--train.chekpoint-every", "train.checkpoint_every"),
        ("--train-steps", "--train.steps"),
        ("--Train.Steps", ""),
    ],
)
def test_the_nearest_field_is_named_for_an_unknown_one(given, nearest, capsys):
    assert main(["train", str(Path(__file__).parents[2] / "configs" / "demo.py"), given, "5"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "did you mean" in line and nearest in line


@pytest.mark.parametrize(
    ("command", "given", "values"),
    [
        ("animate", ["a.wav", "--out=o", "--lip_temperature", "0.5"], {"lip_temperature": 0.5}),
        ("animate", ["a_b.wav", "--out", "o_u", "--transcript_file=a_b"],
         {"speech": ["a_b.wav"], "out": "o_u", "transcript_file": "a_b"}),
        ("animate", ["a.wav", "--out", "o", "--no_sidecar"], {"no_sidecar": True}),
        ("animate", ["--out", "o", "--", "--lip_temperature"], {"speech": ["--lip_temperature"]}),
        ("prepare", ["x", "--out", "o", "--coefficient_fps=25", "--speaker_from", "a_b"],
         {"coefficient_fps": 25.0, "speaker_from": "a_b"}),
        ("train", ["demo", "--process_id", "3"], {"process_id": 3}),
    ],
)  # fmt: skip
def test_underscores_in_the_name_of_an_option_are_as_good_as_hyphens(
    command, given, values, monkeypatch
):
    seen = []
    monkeypatch.setattr(importlib.import_module(f"ksdiff_jax.cli.{command}"), "run", seen.append)
    assert main([command, *given]) == 0
    assert {name: getattr(seen[0], name) for name in values} == values


def test_every_option_of_every_command_is_found_under_both_spellings():
    for command in COMMANDS:
        module, parser = (
            importlib.import_module(f"ksdiff_jax.cli.{command.replace('-', '_')}"),
            cli.CommandParser(prog=command),
        )
        module.add_arguments(parser)
        for option in [name for name in parser._option_string_actions if name.startswith("--")]:
            assert parser._spelled("--" + option[2:].replace("-", "_")) == option


def test_a_file_whose_name_begins_with_a_dash_is_told_from_an_option(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("-lead.wav").touch()
    assert main(["animate", "-lead.wav", "--out", "o"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "./-lead.wav" in line


TERMINATED = """
import os, signal, sys
from ksdiff_jax.cli import main as cli
from ksdiff_jax.files import replacing

def run(argv):
    with replacing("out.csv") as temporary:
        temporary.write_text("half")
        os.kill(os.getpid(), signal.SIGTERM)
        temporary.write_text("never")

cli._dispatch = run
sys.exit(cli.main())
"""


def test_a_terminated_command_leaves_no_unfinished_file(tmp_path):
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(
        [sys.executable, "-c", TERMINATED], cwd=tmp_path, env=environment, check=False
    )
    assert done.returncode == 128 + signal.SIGTERM and list(tmp_path.iterdir()) == []
