"""Run a bundle's workflow by the command line a user would type."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from monai_samadapt.errors import SamAdaptError


def run_bundle(bundle: Path, configs: Sequence[str | Path], settings: Mapping[str, Any]) -> None:
    """Print and run ``python -m monai.bundle run``.

    Args:
        bundle: folder of the bundle.
        configs: names of its configuration files, or paths of others, in the order they are merged.
        settings: ids to override.

    Raises:
        SamAdaptError: when it fails.
    """
    files = [str(bundle / "configs" / f"{name}.json") if isinstance(name, str) else str(name) for name in configs]
    command = [sys.executable, "-m", "monai.bundle", "run", "--config_file", str(files), "--bundle_root", str(bundle)]
    for key, value in settings.items():
        command += [f"--{key}", str(value)]
    print(f"\n$ {shlex.join(command)}", flush=True)
    # idle OpenMP threads must not keep the cores from the loader's processes
    environment = {"OMP_WAIT_POLICY": "PASSIVE", **os.environ}
    if subprocess.run(command, check=False, env=environment).returncode:
        raise SamAdaptError("config_file", files[0], "this step failed", "read its last line above")
