"""Descriptions of the sets with optic disc and cup; `discs` reads them."""

from __future__ import annotations

from monai_samadapt.datasets.public import discs
from monai_samadapt.datasets.public.describe import NOT_ESTABLISHED, PublicSet

NESTED = {"nested": True}
SETS = (
    PublicSet(
        name="drishti_gs",
        title="DRISHTI-GS",
        target="optic disc and cup",
        home="https://cvit.iiit.ac.in/projects/mip/drishti-gs/mip-dataset2/Home.php",
        licence=NOT_ESTABLISHED,
        citation="Sivaswamy et al., Drishti-GS: retinal image dataset for optic nerve head (ONH) segmentation. "
        "ISBI 2014",
        split="official, 50 / 51; a fifth of the training images validates, seeded",
        encoding="PNG soft maps of four experts; a pixel counts where two agree",
        read=discs.read_drishti,
        modality="fundus",
        count=101,
        settings=NESTED,
    ),
    PublicSet(
        name="g1020",
        title="G1020",
        target="optic disc and cup",
        home="https://www.kaggle.com/datasets/arnavjain1/glaucoma-datasets",
        licence=NOT_ESTABLISHED,
        citation="Bajwa et al., G1020: A benchmark retinal fundus image dataset for computer-aided glaucoma detection. "
        "IJCNN 2020",
        split="seeded, 765 / 255 by image (patients are not told); a fifth of the training images validates",
        encoding="JSON polygons disc and cup; some images have no cup",
        read=discs.read_g1020,
        modality="fundus",
        count=1020,
        shares=(765, 255),
        settings=NESTED,
    ),
    PublicSet(
        name="grape",
        title="GRAPE",
        target="optic disc and cup, in crops around the disc",
        home="https://doi.org/10.6084/m9.figshare.c.6406319",
        licence="CC BY 4.0 (unconfirmed)",
        citation="Huang et al., GRAPE: A multi-modal dataset of longitudinal follow-up visual field and fundus images "
        "for glaucoma management. Scientific Data 2023",
        split="seeded by patient, 473 : 158; a fifth of the training patients validates",
        encoding="JSON polygons OD and OC",
        read=discs.read_grape,
        modality="fundus",
        count=631,
        shares=(473, 158),
        settings=NESTED,
    ),
    PublicSet(
        name="origa",
        title="ORIGA",
        target="optic disc and cup",
        home="https://www.kaggle.com/datasets/arnavjain1/glaucoma-datasets",
        licence=NOT_ESTABLISHED,
        citation="Zhang et al., ORIGA-light: an online retinal fundus image database for glaucoma analysis and "
        "research. EMBC 2010",
        split="seeded, 487 / 163 by image (patients are not told); a fifth of the training images validates",
        encoding="MATLAB array mask, 1 rim, 2 cup, wider than the image",
        read=discs.read_origa,
        modality="fundus",
        count=650,
        shares=(487, 163),
        settings=NESTED,
    ),
    PublicSet(
        name="papila",
        title="PAPILA",
        target="optic disc and cup",
        home="https://doi.org/10.6084/m9.figshare.14798004",
        licence=NOT_ESTABLISHED,
        citation="Kovalyk et al., PAPILA: Dataset with fundus images and clinical data of both eyes of the same "
        "patient for glaucoma assessment. Scientific Data 2022",
        split="seeded by patient, 366 : 122; a fifth of the training patients validates",
        encoding="text files of contour points; expert 1, second observer expert 2",
        read=discs.read_papila,
        modality="fundus",
        count=488,
        shares=(366, 122),
        settings=NESTED,
    ),
    PublicSet(
        name="refuge2",
        title="REFUGE2",
        target="optic disc and cup",
        home="https://refuge.grand-challenge.org",
        licence=NOT_ESTABLISHED,
        citation="Fang et al., REFUGE2 challenge: a treasure trove for multi-dimension analysis and evaluation in "
        "glaucoma screening. arXiv 2202.08994; Orlando et al., REFUGE challenge. Medical Image Analysis 2020",
        split="official, 400 train, 400 validation, 400 test",
        encoding="BMP or PNG, 0 cup, 128 rim, 255 background",
        read=discs.read_refuge2,
        modality="fundus",
        count=1200,
        settings=NESTED,
    ),
)
