"""All public data sets that `samadapt prepare` knows, by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from monai_samadapt.datasets.public import chest, disc_sets, endoscopy, others, vessels, volumes
from monai_samadapt.datasets.public.describe import PublicSet
from monai_samadapt.datasets.public.listed import describe_decathlon, describe_nnunet
from monai_samadapt.datasets.public.own import Own

GROUPS = (vessels.SETS, disc_sets.SETS, volumes.SETS, endoscopy.SETS, chest.SETS, others.SETS)
SETS: dict[str, PublicSet] = {entry.name: entry for group in GROUPS for entry in group}

OWN: dict[str, Callable[[Path], PublicSet]] = {
    "folders": Own().describe,
    "decathlon": describe_decathlon,
    "nnunet": describe_nnunet,
}
OWN_TEXT = {
    "folders": "own data: two folders with files of the same names",
    "decathlon": "own data: dataset.json of the Medical Segmentation Decathlon",
    "nnunet": "own data: nnU-Net's raw format, versions 1 and 2",
}
