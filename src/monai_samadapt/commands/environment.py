"""What is installed here, line by line, with a remedy where something is wrong."""

from __future__ import annotations

import platform
import shutil
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from monai_samadapt.errors import first_line

GIB = 2**30
NEEDED_DISK = 5 * GIB
"""Free bytes below which a run's files and SAM's largest weights may not fit."""


def report() -> str:
    """One line for each check: ``ok`` or ``!!``, what was found, and what to do."""
    checks = (python, torch_pair, cuda, packages, memory, disk, weights)
    return "\n".join(f"{'ok' if fine else '!!'}  {text}" for fine, text in (check() for check in checks))


Found = tuple[bool, str]


def python() -> Found:
    """Python's version."""
    fine = (3, 10) <= sys.version_info[:2] < (3, 13)
    return fine, f"python {platform.python_version()}" + ("" if fine else ": install 3.10, 3.11 or 3.12")


def torch_pair() -> Found:
    """Whether torch and torchvision were built for each other: its operators then exist."""
    import torch

    try:
        import torchvision

        torchvision.ops.nms(torch.tensor([[0.0, 0.0, 1.0, 1.0]]), torch.tensor([1.0]), 0.5)
    except (ImportError, RuntimeError) as error:
        problem = f"does not fit torchvision ({first_line(error)}): install both from one index"
        return False, f"torch {torch.__version__} {problem}"
    return True, f"torch {torch.__version__}, torchvision {torchvision.__version__}"


def cuda() -> Found:
    """CUDA devices."""
    import torch

    if not torch.cuda.is_available():
        return True, "no CUDA device: training runs on the CPU"
    named = [torch.cuda.get_device_properties(index) for index in range(torch.cuda.device_count())]
    return True, f"CUDA {torch.version.cuda}: " + ", ".join(f"{p.name} {p.total_memory / GIB:.0f} GiB" for p in named)


def packages() -> Found:
    """The packages everything rests on."""
    names = ("monai", "segment-anything", "sam2", "pytorch-ignite", "mlflow", "monai-samadapt")
    found = {name: installed(name) for name in names}
    missing = [name for name, number in found.items() if number is None]
    text = ", ".join(f"{name} {number}" for name, number in found.items() if number)
    return not missing, text + (f": pip install {' '.join(missing)}" if missing else "")


def installed(package: str) -> str | None:
    """A package's version; None where it is missing."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def memory() -> Found:
    """Main memory."""
    import psutil

    state = psutil.virtual_memory()
    return True, f"memory {state.available / GIB:.1f} of {state.total / GIB:.1f} GiB free"


def disk() -> Found:
    """Free space where the base weights are kept, and here."""
    from monai_samadapt.backbones.download import cache_folder

    found = [(folder, shutil.disk_usage(_existing(folder)).free) for folder in (cache_folder(), Path.cwd())]
    fine = all(free >= NEEDED_DISK for _, free in found)
    text = ", ".join(f"{free / GIB:.0f} GiB free at {folder}" for folder, free in found)
    return fine, text + ("" if fine else ": set SAMADAPT_CACHE or output_dir to a larger disk")


def weights() -> Found:
    """Base weights that are here."""
    from monai_samadapt.backbones.download import local_path
    from monai_samadapt.backbones.registry import REGISTRY

    here = [name for name, entry in REGISTRY.items() if entry.embedded or local_path(entry).is_file()]
    return True, f"base weights here: {', '.join(here)}; others are fetched by samadapt weights NAME"


def _existing(folder: Path) -> Path:
    return next(path for path in (folder, *folder.parents) if path.exists())
