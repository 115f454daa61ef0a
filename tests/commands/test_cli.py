"""The command line itself: help and typing errors come at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from monai_samadapt.cli import COMMANDS, main, parser

HEAVY = "import sys; from monai_samadapt.cli import main\ntry: main({})\nfinally: print('torch' in sys.modules)"


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["bundles"], ["compare", "--help"]])
def test_help_and_lists_do_not_wait_for_torch(arguments: list[str]) -> None:
    done = subprocess.run([sys.executable, "-c", HEAVY.format(arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stdout.splitlines()[-1] == "False", done.stderr


def test_the_help_is_that_of_all_commands() -> None:
    assert parser("").format_help() == parser().format_help()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_its_arguments(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    text = capsys.readouterr().out
    assert ended.value.code == 0 and text.startswith(f"usage: samadapt {command} [-h] ")
    assert len(text.splitlines()) > 5  # more than its name and -h


def test_a_typing_error_lists_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["weight"])
    assert "invalid choice: 'weight' (choose from" in (text := capsys.readouterr().err)
    assert all(command in text for command in COMMANDS)


def test_a_file_that_cannot_be_written_is_told_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert main(["bundles", "s_sam", str(tmp_path / "file" / "b")]) == 1
    told = capsys.readouterr().err
    assert told.startswith(f"file='{tmp_path}/file") and "Not a directory; give one" in told and told.count("\n") == 1
