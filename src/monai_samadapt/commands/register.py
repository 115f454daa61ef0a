"""``samadapt register``: register a trained model in MLflow, for ``mlflow.pyfunc``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def register(commands: Any) -> None:
    """Add the arguments."""
    parser = commands.add_parser("register", help=__doc__)
    parser.add_argument("run_dir", type=Path, help="folder of a training run, with model.pt and adapter.json")
    parser.add_argument("--name", required=True, help="name of the registered model; a known one gets a new version")
    parser.add_argument("--tracking_uri", "--tracking-uri", help="MLflow server or database; by default the run's")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Register the model and print its URI."""
    from monai_samadapt.passwords import without_password
    from monai_samadapt.tracking.location import find_uri
    from monai_samadapt.tracking.registry import register_model

    model = register_model(options.run_dir, options.name, options.tracking_uri)
    server = without_password(find_uri(options.tracking_uri, options.run_dir, go_on=True))
    print(f"registered; load it by mlflow.set_tracking_uri({server!r}) and mlflow.pyfunc.load_model({model!r})")
