"""CT volumes: LiTS and Synapse (BTCV)."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from monai_samadapt.datasets.public.describe import NOT_ESTABLISHED, Case, Found, LabelValues, Made, PublicSet
from monai_samadapt.datasets.public.find import below, pairs
from monai_samadapt.datasets.public.scans import write_mapped
from monai_samadapt.errors import SamAdaptError

LITS: LabelValues = {"Liver": 1, "Tumor": 2}
ORGANS: LabelValues = {
    "Aorta": 1,
    "Gallbladder": 2,
    "Left Kidney": 3,
    "Right Kidney": 4,
    "Liver": 5,
    "Pancreas": 6,
    "Spleen": 7,
    "Stomach": 8,
}
BTCV_TO_ORGANS = {8: 1, 4: 2, 3: 3, 2: 4, 6: 5, 11: 6, 1: 7, 7: 8}
"""The published values: 1 spleen, 2 right and 3 left kidney, 4 gallbladder, 5 oesophagus, 6 liver, 7 stomach, 8 aorta,
9 inferior vena cava, 10 portal and splenic vein, 11 pancreas, 12 and 13 adrenal glands."""
SYNAPSE_TEST = (1, 2, 3, 4, 8, 22, 25, 29, 32, 35, 36, 38)
SYNAPSE_TRAINING = (5, 6, 7, 9, 10, 21, 23, 24, 26, 27, 28, 30, 31, 33, 34, 37, 39, 40)


def read_lits(source: Path) -> Found:
    """``volume-0.nii`` and ``segmentation-0.nii``, gzipped or not, in any folders."""
    images = below(source, r"volume-(\d+)\.nii(?:\.gz)?")
    labels = below(source, r"segmentation-(\d+)\.nii(?:\.gz)?")
    cases = [Case(f"volume-{key}", image, label, key) for key, image, label in pairs(images, labels)]
    return Found(cases, source, LITS)


def read_synapse(source: Path) -> Found:
    """``img0001.nii.gz`` and ``label0001.nii.gz`` of ``RawData/Training``, in any folders."""
    images = below(source, r"img(\d{4})\.nii(?:\.gz)?")
    labels = below(source, r"label(\d{4})\.nii(?:\.gz)?")
    tests = {key: path for key, path in images.items() if 61 <= int(key) <= 80}
    images = {key: path for key, path in images.items() if key not in tests}
    notes = [f"{len(tests)} images of the challenge's test have no label and are left out"] if tests else []
    cases = []
    for key, image, label in pairs(images, labels):
        made = Made(partial(write_mapped, label, BTCV_TO_ORGANS), ".nii.gz")
        cases.append(Case(f"label{key}", image, made, key, _section(key, image)))
    return Found(cases, source, ORGANS, notes)


def _section(key: str, image: Path) -> str:
    if int(key) in SYNAPSE_TEST:
        return "test"
    if int(key) in SYNAPSE_TRAINING:
        return "training"
    raise SamAdaptError("image", str(image), "is none of the 30 cases of the split", "move it elsewhere")


SETS = (
    PublicSet(
        name="lits",
        title="LiTS",
        target="liver and tumours in CT",
        home="https://competitions.codalab.org/competitions/17094",
        licence="CC BY-NC-ND 4.0 (unconfirmed)",
        citation="Bilic et al., The Liver Tumor Segmentation Benchmark (LiTS). Medical Image Analysis 2023",
        split="seeded by volume, 70 : 10 : 20 of the labelled ones",
        encoding="NIfTI, 1 liver, 2 tumour",
        read=read_lits,
        modality="ct",
        count=131,
    ),
    PublicSet(
        name="synapse",
        title="Synapse multi-organ (BTCV)",
        target="eight abdominal organs in CT",
        home="https://www.synapse.org/Synapse:syn3193805",
        licence=NOT_ESTABLISHED,
        citation="Landman et al., MICCAI multi-atlas labeling beyond the cranial vault: workshop and challenge. 2015; "
        "split of Chen et al., TransUNet. arXiv 2102.04306",
        split="18 / 12 of TransUNet; a fifth of the training cases validates, seeded",
        encoding="NIfTI with 13 organs, of which eight are kept",
        read=read_synapse,
        modality="ct",
        count=30,
        settings={"window": [-125, 275]},
    ),
)
