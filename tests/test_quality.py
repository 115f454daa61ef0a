"""ruff and mypy over the repository, with the settings of pyproject.toml."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def run(*command: str) -> None:
    done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


def test_ruff_finds_nothing() -> None:
    run("ruff", "check", "--output-format", "concise")


def test_ruff_would_format_nothing() -> None:
    run("ruff", "format", "--check")


@pytest.mark.slow
def test_mypy_finds_nothing() -> None:
    run("mypy", "src")
