"""Retinal vessels: CHASE_DB1, DRIVE, FIVES, HRF, STARE."""

from __future__ import annotations

from pathlib import Path

from monai_samadapt.datasets.chase_db1 import read_chase_db1
from monai_samadapt.datasets.public.describe import NOT_ESTABLISHED, Case, Found, LabelValues, PublicSet
from monai_samadapt.datasets.public.existing import from_split
from monai_samadapt.datasets.public.find import below, find_root, first_folder, in_folder, pairs
from monai_samadapt.datasets.public.pictures import binary, unzipped

LABELS: LabelValues = {"Vessel": [1, 255]}
PICTURES = (".png", ".jpg", ".tif", ".gif", ".ppm")


def read_chase(source: Path) -> Found:
    """The folder with ``Image_01L.jpg``, ``Image_01L_1stHO.png`` and so on."""
    root = find_root(source, "Image_01L.jpg")
    return from_split(read_chase_db1(root), LABELS)


def read_drive(source: Path) -> Found:
    """``training`` and ``test`` with ``images/21_training.tif``, ``1st_manual/21_manual1.gif``, ``mask``."""
    root = find_root(source, "training/images", "test/images")
    cases, notes = [], []
    for folder, section in (("training", "training"), ("test", "test")):
        part = root / folder
        images = in_folder(part / "images", rf"(\d\d)_{folder}\.tif", PICTURES)
        masks = in_folder(part / "mask", rf"(\d\d)_{folder}_mask\.gif", PICTURES)
        labelled = section == "training" or (part / "1st_manual").is_dir()
        firsts = in_folder(part / "1st_manual", r"(\d\d)_manual1\.gif", PICTURES) if labelled else {}
        second = part / "2nd_manual"
        seconds = in_folder(second, r"(\d\d)_manual2\.gif", PICTURES) if second.is_dir() else {}
        if not labelled:
            notes.append("the test part has no 1st_manual: it can be segmented but not evaluated")
        known = {key: label for key, _, label in pairs(images, firsts)} if labelled else {}
        for key, image, mask in pairs(images, masks, "mask"):
            label = binary(known[key]) if key in known else None
            other = binary(seconds[key]) if key in seconds else None
            cases.append(Case(image.stem, image, label, key, section, mask, other))
    return Found(cases, root, LABELS, notes)


def read_fives(source: Path) -> Found:
    """``train`` and ``test`` with ``Original/1_A.png`` and ``Ground truth/1_A.png``."""
    root = find_root(source, "train/Original", "test/Original")
    cases = []
    for folder, section in (("train", "training"), ("test", "test")):
        images = in_folder(root / folder / "Original", r"(\d+_[ADGN])\.png", PICTURES)
        truth = first_folder(root / folder, "Ground truth", "Ground Truth", "GroundTruth")
        labels = in_folder(truth, r"(\d+_[ADGN])\.png", PICTURES)
        for key, image, label in pairs(images, labels):
            cases.append(Case(f"{folder}_{key}", image, binary(label), f"{folder} {key}", section))
    return Found(cases, root, LABELS)


def read_hrf(source: Path) -> Found:
    """``images/01_h.jpg``, ``manual1/01_h.tif``, ``mask/01_h_mask.tif``; ``h``, ``dr`` and ``g`` are the groups."""
    root = find_root(source, "images", "manual1")
    images = in_folder(root / "images", r"(\d\d_(?:h|dr|g))\.jpg", PICTURES)
    labels = in_folder(root / "manual1", r"(\d\d_(?:h|dr|g))\.tif", PICTURES)
    masks = in_folder(root / "mask", r"(\d\d_(?:h|dr|g))_mask\.tif", PICTURES)
    fields = {key: mask for key, _, mask in pairs(images, masks, "mask")}
    cases = [Case(key, image, binary(label), key, mask=fields[key]) for key, image, label in pairs(images, labels)]
    return Found(cases, root, LABELS)


def read_stare(source: Path) -> Found:
    """``im0001.ppm``, ``im0001.ah.ppm``, ``im0001.vk.ppm`` in any folders, as ``.ppm.gz`` too."""
    images = below(source, r"(im\d{4})\.ppm(?:\.gz)?")
    firsts = below(source, r"(im\d{4})\.ah\.ppm(?:\.gz)?")
    seconds = below(source, r"(im\d{4})\.vk\.ppm(?:\.gz)?")
    others = {key: other for key, _, other in pairs(images, seconds, "label of the second observer (vk)")}
    cases = [
        Case(key, unzipped(image, False), unzipped(label, True), key, second_observer=unzipped(others[key], True))
        for key, image, label in pairs(images, firsts)
    ]
    return Found(cases, source, LABELS)


SETS = (
    PublicSet(
        name="chase_db1",
        title="CHASE_DB1",
        target="retinal vessels",
        home="https://blogs.kingston.ac.uk/retinal/chasedb1/",
        licence="CC BY 4.0 (unconfirmed)",
        citation="Owen et al., Measuring retinal vessel tortuosity in 10-year-old children: validation of the "
        "Computer-Assisted Image Analysis of the Retina (CAIAR) program. IOVS 2009",
        split="subjects 01-10 train (the last of them validates), 11-14 test",
        encoding="1-bit PNG; the second observer's beside it",
        read=read_chase,
        modality="fundus",
        count=28,
    ),
    PublicSet(
        name="drive",
        title="DRIVE",
        target="retinal vessels",
        home="https://drive.grand-challenge.org",
        licence=NOT_ESTABLISHED,
        citation="Staal et al., Ridge-based vessel segmentation in color images of the retina. IEEE TMI 2004",
        split="official, 20 / 20; a fifth of the training subjects validates, seeded",
        encoding="GIF 0/255; field of view and, of the test part, second observer as GIF",
        read=read_drive,
        modality="fundus",
        count=40,
    ),
    PublicSet(
        name="fives",
        title="FIVES",
        target="retinal vessels",
        home="https://doi.org/10.6084/m9.figshare.19688169",
        licence="CC BY 4.0 (unconfirmed)",
        citation="Jin et al., FIVES: A fundus image dataset for artificial intelligence based vessel segmentation. "
        "Scientific Data 2022",
        split="official, 600 / 200; a fifth of the training images validates, seeded; patients are not told",
        encoding="PNG 0/255, colour or grey",
        read=read_fives,
        modality="fundus",
        count=800,
    ),
    PublicSet(
        name="hrf",
        title="HRF",
        target="retinal vessels",
        home="https://www5.cs.fau.de/research/data/fundus-images/",
        licence="CC BY 4.0 (unconfirmed)",
        citation="Budai et al., Robust vessel segmentation in fundus images. "
        "International Journal of Biomedical Imaging 2013",
        split="seeded, 32 / 13; a fifth of the training images validates",
        encoding="TIFF 0/255; field of view as TIFF",
        read=read_hrf,
        modality="fundus",
        count=45,
        shares=(32, 13),
    ),
    PublicSet(
        name="stare",
        title="STARE",
        target="retinal vessels",
        home="https://cecas.clemson.edu/~ahoover/stare/",
        licence=NOT_ESTABLISHED,
        citation="Hoover et al., Locating blood vessels in retinal images by piecewise threshold probing of a matched "
        "filter response. IEEE TMI 2000",
        split="seeded, 15 / 5; a fifth of the training images validates",
        encoding="PPM 0/255, gzipped; observer ah, second observer vk",
        read=read_stare,
        modality="fundus",
        count=20,
        shares=(15, 5),
    ),
)
