"""docs/datasets.md tells of every set what the command prints."""

from __future__ import annotations

from pathlib import Path

import pytest

from monai_samadapt.datasets.public import SETS

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "datasets.md").read_text()


@pytest.mark.parametrize("name", SETS)
def test_page_has_the_row_and_the_citation_of_a_set(name: str) -> None:
    entry = SETS[name]
    row = next(line for line in PAGE.splitlines() if line.startswith(f"| `samadapt prepare {name} SOURCE` |"))
    what = f"[{entry.title}]({entry.home}): {entry.target} | {entry.count or 'not told'}"
    assert f"{what} | {entry.licence} | {entry.split} |" in row
    assert row.endswith(f"| {entry.encoding} |")
    assert f"- {entry.title}: {entry.citation}." in PAGE.splitlines()
