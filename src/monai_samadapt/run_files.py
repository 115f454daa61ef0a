"""The names of the files in a run's folder."""

from __future__ import annotations

ADAPTER = "adapter.safetensors"
"""All trained parameters."""
DESCRIPTION = "adapter.json"
"""What it takes to use them: method, settings, base, labels, preprocessing."""
MODEL = "model.pt"
"""The network's full state dict."""
CHECKPOINT = "checkpoint_last.pt"
"""What a training resumes from."""
KEPT = "datalist.json"
"""The split of the run."""
HISTORY = "history.csv"
"""A line for each epoch."""
MANIFEST = "manifest.json"
"""How the run was made: settings, versions, machine, data."""

SUMMARY, CASES, REPORT = "summary.json", "cases.csv", "report.html"
"""Of an evaluation, beside a ``manifest.json`` of its own."""
