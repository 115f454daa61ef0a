"""Base weights that have a name: where they come from, and how to tell that they are the right ones."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

SAM_URL = "https://dl.fbaipublicfiles.com/segment_anything"
SAM2_URL = "https://dl.fbaipublicfiles.com/segment_anything_2"


@dataclass(frozen=True)
class BaseWeights:
    """One file of base weights.

    Attributes:
        name: what a user writes as ``checkpoint``.
        family: ``sam`` or ``sam2``.
        variant: as in ``build_sam`` or ``build_sam2``.
        licence: SPDX identifier of the weights.
        url: where the file is published; None for weights that the package brings along.
        sha256: hash of the file, as a public source gives it; None where none was found: the hash of the first download
            is then recorded and pinned.
        size: of the file in bytes, likewise.
        version: of SAM2, ``2.0`` or ``2.1``.
        embedded: file name in the package's folder ``weights``.
    """

    name: str
    family: str
    variant: str
    licence: str = "Apache-2.0"
    url: str | None = None
    sha256: str | None = None
    size: int | None = None
    version: str | None = None
    embedded: str | None = None

    @property
    def file(self) -> str:
        """Name of the file, in the cache folder or in the package."""
        return self.embedded or str(self.url).rsplit("/", 1)[-1]


def embedded_path(file: str) -> Path:
    """Path of weights that the package brings along, whether or not they are there."""
    return Path(str(files("monai_samadapt") / "weights" / file))


def _sam(variant: str, file: str, sha256: str, size: int) -> BaseWeights:
    return BaseWeights(f"sam_{variant}", "sam", variant, url=f"{SAM_URL}/{file}", sha256=sha256, size=size)


def _sam2(name: str, variant: str, sha256: str, size: int) -> BaseWeights:
    version, folder = ("2.1", "092824") if name.startswith("sam2.1") else ("2.0", "072824")
    url = f"{SAM2_URL}/{folder}/{name}.pt"
    return BaseWeights(name, "sam2", variant, url=url, sha256=sha256, size=size, version=version)


# Addresses and licence: the README files of facebookresearch/segment-anything and facebookresearch/sam2.
# SHA-256 of SAM and SAM 2.0: computational-cell-analytics/micro-sam (micro_sam/util.py, micro_sam/v2/util.py) and
# mazurowski-lab/SlicerSegmentWithSAM (SegmentWithSAM/SegmentWithSAM.py), which agree. SHA-256 of SAM 2.1: micro-sam, and
# further public repositories that name the hashes of the same files. Sizes: at least two public repositories each.
_PUBLISHED = (
    _sam(
        "vit_b",
        "sam_vit_b_01ec64.pth",
        "ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912",
        375_042_383,
    ),
    _sam(
        "vit_l",
        "sam_vit_l_0b3195.pth",
        "3adcc4315b642a4d2101128f611684e8734c41232a17c648ed1693702a49a622",
        1_249_524_607,
    ),
    _sam(
        "vit_h",
        "sam_vit_h_4b8939.pth",
        "a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e",
        2_564_550_879,
    ),
    _sam2(
        "sam2_hiera_tiny",
        "hiera_t",
        "65b50056e05bcb13694174f51bb6da89c894b57b75ccdf0ba6352c597c5d1125",
        155_906_050,
    ),
    _sam2(
        "sam2_hiera_small",
        "hiera_s",
        "95949964d4e548409021d47b22712d5f1abf2564cc0c3c765ba599a24ac7dce3",
        184_309_650,
    ),
    _sam2(
        "sam2_hiera_base_plus",
        "hiera_b+",
        "d0bb7f236400a49669ffdd1be617959a8b1d1065081789d7bbff88eded3a8071",
        323_493_298,
    ),
    _sam2(
        "sam2_hiera_large",
        "hiera_l",
        "7442e4e9b732a508f80e141e7c2913437a3610ee0c77381a66658c3a445df87b",
        897_952_466,
    ),
    _sam2(
        "sam2.1_hiera_tiny",
        "hiera_t",
        "7402e0d864fa82708a20fbd15bc84245c2f26dff0eb43a4b5b93452deb34be69",
        156_008_466,
    ),
    _sam2(
        "sam2.1_hiera_small",
        "hiera_s",
        "6d1aa6f30de5c92224f8172114de081d104bbd23dd9dc5c58996f0cad5dc4d38",
        184_416_285,
    ),
    _sam2(
        "sam2.1_hiera_base_plus",
        "hiera_b+",
        "a2345aede8715ab1d5d31b4a509fb160c5a4af1970f199d9054ccfb746c004c5",
        323_606_802,
    ),
    _sam2(
        "sam2.1_hiera_large",
        "hiera_l",
        "2647878d5dfa5098f2f8649825738a9345572bae2d4350a2468587ece47dd318",
        898_083_611,
    ),
)
# Trained by this project; listed once the file is in the package.
_EMBEDDED = (BaseWeights("sam_vit_nano", "sam", "vit_nano", embedded="sam_vit_nano.safetensors"),)

REGISTRY = {
    weights.name: weights
    for weights in (*_PUBLISHED, *_EMBEDDED)
    if weights.embedded is None or embedded_path(weights.embedded).is_file()
}
