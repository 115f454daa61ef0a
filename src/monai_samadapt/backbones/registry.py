"""The base weights known by name: where they are, how large they are and what they hash to.

Neither Meta nor the ``segment-anything`` and ``sam2`` packages publish hashes or sizes. Those below were read in public
repositories (GitHub, named beside them), and each was found the same in others; a field is None where no source that
could be named gives it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path

SAM_URL = "https://dl.fbaipublicfiles.com/segment_anything/"
SAM2_URL = "https://dl.fbaipublicfiles.com/segment_anything_2/072824/"
SAM21_URL = "https://dl.fbaipublicfiles.com/segment_anything_2/092824/"
LICENCE = "Apache-2.0"
WEIGHTS_FOLDER = Path(str(resources.files("monai_samadapt"))) / "weights"
NANO_SHA256: dict[str, str | None] = {
    "sam_vit_nano": "abbd55a16eeac00fc2625b576f1d78a535c624060c0f681b65d39310242e7c6b",
    "sam2.1_hiera_nano": "8e3f45f02e6ad31eded5f9357e3f5eb92600849a7eb44481bc487d44cac518f1",
}


@dataclass(frozen=True)
class WeightsEntry:
    """One set of base weights.

    Attributes:
        name: what the user writes as ``checkpoint``.
        family: ``sam`` or ``sam2``.
        variant: of the network the weights fit, e.g. ``vit_b`` or ``hiera_t``.
        url: where they are downloaded from; None when they come with the package.
        sha256: 64 hexadecimal digits; None where no source gives it: the first download's hash is then pinned.
        size: in bytes; None where no source gives it.
        licence: SPDX name.
        embedded: name of the file in the package's ``weights`` folder, or None.
        version: of SAM2, ``2.0`` or ``2.1``.
    """

    name: str
    family: str
    variant: str
    url: str | None
    sha256: str | None
    size: int | None
    licence: str = LICENCE
    embedded: str | None = None
    version: str | None = None

    @property
    def file(self) -> str:
        """Name of the weights file, without folder."""
        return self.embedded or str(self.url).rsplit("/", 1)[-1]


def _sam(variant: str, file: str, sha256: str | None, size: int | None) -> WeightsEntry:
    return WeightsEntry(f"sam_{variant}", "sam", variant, SAM_URL + file, sha256, size)


def _sam2(variant: str, word: str, sha256: str | None, size: int | None) -> WeightsEntry:
    name = f"sam2_hiera_{word}"
    return WeightsEntry(name, "sam2", variant, f"{SAM2_URL}{name}.pt", sha256, size, version="2.0")


def _sam21(variant: str, word: str, sha256: str | None, size: int | None) -> WeightsEntry:
    name = f"sam2.1_hiera_{word}"
    return WeightsEntry(name, "sam2", variant, f"{SAM21_URL}{name}.pt", sha256, size, version="2.1")


# SHA-256 of SAM: mazurowski-lab/SlicerSegmentWithSAM, SegmentWithSAM/SegmentWithSAM.py; the same in
#   GenevieveBuckley/micro-sam, micro_sam/util.py (_CHECKSUMS), and norqis/mozarie, mozarie/model_downloads.py.
# Sizes of SAM: norqis/mozarie, mozarie/model_downloads.py.
SAM = (
    _sam(
        "vit_b", "sam_vit_b_01ec64.pth", "ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912", 375042383
    ),
    _sam(
        "vit_l", "sam_vit_l_0b3195.pth", "3adcc4315b642a4d2101128f611684e8734c41232a17c648ed1693702a49a622", 1249524607
    ),
    _sam(
        "vit_h", "sam_vit_h_4b8939.pth", "a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e", 2564550879
    ),
)
# SHA-256 of SAM 2.0: mazurowski-lab/SlicerSegmentWithSAM, SegmentWithSAM/SegmentWithSAM.py.
# Sizes of SAM 2.0: segment-anything-models-java/SAMJ, src/main/java/ai/nets/samj/install/Sam2EnvManager.java
#   (SAM2_BYTE_SIZES_MAP at commit c71a97fd), which has none for base_plus.
SAM2 = (
    _sam2("hiera_t", "tiny", "65b50056e05bcb13694174f51bb6da89c894b57b75ccdf0ba6352c597c5d1125", 155906050),
    _sam2("hiera_s", "small", "95949964d4e548409021d47b22712d5f1abf2564cc0c3c765ba599a24ac7dce3", 184309650),
    _sam2("hiera_b+", "base_plus", "d0bb7f236400a49669ffdd1be617959a8b1d1065081789d7bbff88eded3a8071", None),
    _sam2("hiera_l", "large", "7442e4e9b732a508f80e141e7c2913437a3610ee0c77381a66658c3a445df87b", 897952466),
)
# SHA-256 of SAM 2.1: computational-cell-analytics/micro-sam, micro_sam/v2/util.py (HASHES).
# Sizes of SAM 2.1: segment-anything-models-java/SAMJ, Sam2EnvManager.java (SAM2_1_BYTE_SIZES_MAP).
SAM21 = (
    _sam21("hiera_t", "tiny", "7402e0d864fa82708a20fbd15bc84245c2f26dff0eb43a4b5b93452deb34be69", 156008466),
    _sam21("hiera_s", "small", "6d1aa6f30de5c92224f8172114de081d104bbd23dd9dc5c58996f0cad5dc4d38", 184416285),
    _sam21("hiera_b+", "base_plus", "a2345aede8715ab1d5d31b4a509fb160c5a4af1970f199d9054ccfb746c004c5", 323606802),
    _sam21("hiera_l", "large", "2647878d5dfa5098f2f8649825738a9345572bae2d4350a2468587ece47dd318", 898083611),
)


def embedded_entries(folder: Path = WEIGHTS_FOLDER) -> tuple[WeightsEntry, ...]:
    """The weights that come with the package, made by this project; without those whose file is not in ``folder``."""
    nano = (
        WeightsEntry("sam_vit_nano", "sam", "vit_nano", None, None, None),
        WeightsEntry("sam2.1_hiera_nano", "sam2", "hiera_nano", None, None, None, version="2.1"),
    )
    files = {entry: folder / f"{entry.name}.safetensors" for entry in nano}
    return tuple(
        replace(entry, sha256=NANO_SHA256[entry.name], size=path.stat().st_size, embedded=path.name)
        for entry, path in files.items()
        if path.is_file()
    )


REGISTRY: dict[str, WeightsEntry] = {entry.name: entry for entry in (*embedded_entries(), *SAM, *SAM2, *SAM21)}


def registry_names(family: str, variant: str | None = None) -> list[str]:
    """Names of the weights of a family, or only those that fit one of its variants."""
    entries = (entry for entry in REGISTRY.values() if entry.family == family)
    return [entry.name for entry in entries if variant in (None, entry.variant)]
