"""``samadapt report``: write the report of an evaluated run again from its files."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from monai_samadapt.reports.evaluation import write_report
from monai_samadapt.run_files import EVALUATION, REPORT


def register(commands: Any) -> None:
    """Add the arguments."""
    parser = commands.add_parser("report", help=__doc__)
    parser.add_argument("run_dir", type=Path, help="folder of a training run that was evaluated")
    parser.add_argument("--report-dir", type=Path, help="folder of the evaluation; by default evaluation in the run's")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Write ``report.html`` into the folder of the evaluation."""
    report_dir = options.report_dir or options.run_dir / EVALUATION
    write_report(options.run_dir, report_dir)
    print(f"wrote {report_dir / REPORT}")
