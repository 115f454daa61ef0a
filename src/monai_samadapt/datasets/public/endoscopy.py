"""Endoscopy: CholecSeg8k, and the polyps of PraNet's split."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from monai_samadapt.datasets.public.decode import decode_colours, decode_ids
from monai_samadapt.datasets.public.describe import Case, Found, LabelValues, PublicSet
from monai_samadapt.datasets.public.find import find_root, first_folder, folders_below, in_folder, is_hidden, pairs
from monai_samadapt.datasets.public.pictures import binary, label_picture
from monai_samadapt.errors import SamAdaptError

STRUCTURES = {
    "Grasper": (31, (170, 255, 0)),
    "L Hook Electrocautery": (32, (169, 255, 184)),
    "Liver": (21, (255, 114, 114)),
    "Fat": (12, (186, 183, 75)),
    "Gall Bladder": (22, (255, 160, 165)),
    "Abdominal Wall": (11, (210, 140, 140)),
    "Gastrointestinal Tract": (13, (231, 70, 156)),
    "Cystic Duct": (25, (255, 255, 0)),
    "Blood": (24, (255, 0, 0)),
    "Hepatic Vein": (33, (0, 50, 128)),
    "Liver Ligament": (5, (111, 74, 0)),
    "Connective Tissue": (23, (255, 85, 0)),
}
"""Name → value in the watershed masks, colour in the colour masks; their order is that of S-SAM's label values."""
CHOLEC = {name: index for index, name in enumerate(STRUCTURES, start=1)}
WATERSHED = {0: 0, 50: 0, 255: 0, **{value: CHOLEC[name] for name, (value, _) in STRUCTURES.items()}}
COLOURS = {
    (0, 0, 0): 0,
    (127, 127, 127): 0,
    (255, 255, 255): 0,
    **{colour: CHOLEC[name] for name, (_, colour) in STRUCTURES.items()},
}
VALIDATION_VIDEOS, TEST_VIDEOS = ("12", "27"), ("17", "48", "52")
TRAINING_VIDEOS = ("01", "09", "18", "20", "24", "25", "26", "28", "35", "37", "43", "55")
POLYP: LabelValues = {"Polyp": [1, 255]}


def read_cholecseg8k(source: Path) -> Found:
    """``video01/video01_00080/frame_80_endo.png`` with ``…_watershed_mask.png``, else ``…_color_mask.png``."""
    cases = []
    for clip in folders_below(source, "video??_*"):
        video = clip.name[5:7]
        images = in_folder(clip, r"(frame_\d+)_endo\.png")
        for key, image in images.items():
            watershed, colours = (clip / f"{key}_endo_{kind}_mask.png" for kind in ("watershed", "color"))
            if watershed.is_file():
                label = label_picture(image, partial(decode_ids, WATERSHED), watershed)
            elif colours.is_file():
                label = label_picture(image, partial(decode_colours, COLOURS), colours)
            else:
                raise SamAdaptError("image", str(image), "has no label", f"add {watershed.name} beside it")
            cases.append(Case(f"{clip.name}_{key}", image, label, f"video{video}", _section(video, clip)))
    if not cases:
        raise SamAdaptError("source", str(source), "holds no folders video01_00080", "give the unpacked download")
    return Found(cases, source, CHOLEC)


def _section(video: str, clip: Path) -> str:
    parts = {"training": TRAINING_VIDEOS, "validation": VALIDATION_VIDEOS, "test": TEST_VIDEOS}
    for section, videos in parts.items():
        if video in videos:
            return section
    raise SamAdaptError("source", str(clip), "is none of the 17 videos of the split", "move it elsewhere")


def read_polyps(source: Path) -> Found:
    """``TrainDataset/image`` and ``mask``; ``TestDataset/Kvasir/images`` and ``masks``, and other sets."""
    root = find_root(source, "TrainDataset", "TestDataset")
    folders = {"train": root / "TrainDataset"}
    tests = [path for path in sorted((root / "TestDataset").iterdir()) if path.is_dir() and not is_hidden(path)]
    folders |= {path.name: path for path in tests}
    cases = []
    for name, folder in folders.items():
        images = in_folder(first_folder(folder, "images", "image"), r"(.+)\.(?:png|jpg|tif)")
        labels = in_folder(first_folder(folder, "masks", "mask"), r"(.+)\.(?:png|jpg|tif)")
        for key, image, label in pairs(images, labels):
            section = "training" if name == "train" else "test"
            subject, more = f"{name} {key}", {} if name == "train" else {"set": name}
            cases.append(Case(f"{name}_{key}", image, binary(label), subject, section, more=more))
    return Found(cases, root, POLYP)


SETS = (
    PublicSet(
        name="cholecseg8k",
        title="CholecSeg8k",
        target="twelve structures in laparoscopy",
        home="https://www.kaggle.com/datasets/newslab/cholecseg8k",
        licence="CC BY-NC-SA 4.0",
        citation="Hong et al., CholecSeg8k: A semantic segmentation dataset for laparoscopic cholecystectomy based on "
        "Cholec80. arXiv 2012.12453",
        split="by video, of S-SAM: 12 and 27 validate, 17, 48 and 52 test",
        encoding="PNG of watershed ids (RGB or RGBA), else colour masks; white frame and black are background",
        read=read_cholecseg8k,
        modality="image2d",
        count=8080,
    ),
    PublicSet(
        name="polyps",
        title="Polyps, PraNet's split",
        target="polyps in colonoscopy",
        home="https://github.com/DengPingFan/PraNet",
        licence="of five sets (Kvasir-SEG, CVC-ClinicDB, CVC-ColonDB, CVC-300, ETIS): not established",
        citation="Fan et al., PraNet: Parallel reverse attention network for polyp segmentation. MICCAI 2020, and the "
        "publications of the five sets",
        split="PraNet's, 1450 to train (900 Kvasir, 550 ClinicDB), five tests; a fifth of the training images "
        "validates, seeded; patients are not told",
        encoding="PNG 0/255, some with soft edges; the entry set of a test item names its origin",
        read=read_polyps,
        modality="image2d",
        count=2248,
    ),
)
