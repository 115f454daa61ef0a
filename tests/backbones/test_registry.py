"""Names of base weights and what a ``checkpoint`` value resolves to."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from monai_samadapt.backbones import registry
from monai_samadapt.backbones.registry import REGISTRY, WeightsEntry, embedded_entries, registry_names
from monai_samadapt.backbones.resolve import resolve_checkpoint
from monai_samadapt.backbones.variants import SAM_VARIANTS
from monai_samadapt.cli import main
from monai_samadapt.errors import SamAdaptError

META = "https://dl.fbaipublicfiles.com/"
SAM_FILES = {
    "sam_vit_b": "segment_anything/sam_vit_b_01ec64.pth",
    "sam_vit_l": "segment_anything/sam_vit_l_0b3195.pth",
    "sam_vit_h": "segment_anything/sam_vit_h_4b8939.pth",
}
SAM2_VARIANTS = {"tiny": "hiera_t", "small": "hiera_s", "base_plus": "hiera_b+", "large": "hiera_l"}
SAM2_FOLDERS = {"sam2": ("2.0", "segment_anything_2/072824"), "sam2.1": ("2.1", "segment_anything_2/092824")}


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMADAPT_CACHE", str(tmp_path / "cache"))


def test_sam_entries_name_metas_files() -> None:
    for name, file in SAM_FILES.items():
        entry = REGISTRY[name]
        assert (entry.family, entry.variant, entry.url) == ("sam", name.removeprefix("sam_"), META + file)
        assert (entry.version, entry.embedded, entry.licence) == (None, None, "Apache-2.0")


@pytest.mark.parametrize("prefix", SAM2_FOLDERS)
def test_sam2_entries_name_metas_files(prefix: str) -> None:
    version, folder = SAM2_FOLDERS[prefix]
    for word, variant in SAM2_VARIANTS.items():
        entry = REGISTRY[f"{prefix}_hiera_{word}"]
        assert (entry.family, entry.variant, entry.version) == ("sam2", variant, version)
        assert entry.url == f"{META}{folder}/{prefix}_hiera_{word}.pt"
        assert entry.file == f"{prefix}_hiera_{word}.pt"


def test_hashes_are_distinct_and_well_formed() -> None:
    hashes = [entry.sha256 for entry in REGISTRY.values() if entry.sha256]
    assert len(set(hashes)) == len(hashes)
    assert all(len(bytes.fromhex(digest)) == 32 and digest == digest.lower() for digest in hashes)


@pytest.mark.parametrize("name", SAM_FILES)
def test_sizes_fit_the_parameters(name: str) -> None:
    """A float32 checkpoint holds four bytes a parameter and little else."""
    entry = REGISTRY[name]
    assert entry.size is not None
    assert 0 < entry.size - 4 * SAM_VARIANTS[entry.variant].parameters < 400_000


def test_random_and_path(tmp_path: Path) -> None:
    resolved = resolve_checkpoint("random", "sam", "vit_b")
    assert (resolved.kind, resolved.path, resolved.sha256) == ("random", None, None)
    (tmp_path / "own.pth").write_bytes(b"own")
    resolved = resolve_checkpoint(str(tmp_path / "own.pth"), "sam", "vit_b")
    assert (resolved.kind, resolved.path, resolved.sha256) == ("path", tmp_path / "own.pth", None)


@pytest.mark.parametrize(
    ("value", "family", "variant", "words"),
    [
        (None, "sam", "vit_b", ["checkpoint=None", "no base weights", "sam_vit_b, random"]),
        (
            "sam_vit_l",
            "sam",
            "vit_b",
            ["sam vit_l weights, not sam vit_b", "set variant to vit_l", "sam_vit_b, random"],
        ),
        ("sam2_hiera_tiny", "sam", "vit_b", ["sam2 hiera_t weights", "one of sam_vit_b, random"]),
        ("sam_vit_b", "sam2", "hiera_l", ["not sam2 hiera_l", "one of sam2_hiera_large, sam2.1_hiera_large, random"]),
        ("no/such.pth", "sam", "vit_b", ["no such file", "sam_vit_b, sam_vit_l, sam_vit_h, random"]),
        (".", "sam", "vit_b", ["is a folder"]),
    ],
)
def test_wrong_values_end_in_one_line(value: str | None, family: str, variant: str, words: list[str]) -> None:
    with pytest.raises(SamAdaptError) as caught:
        resolve_checkpoint(value, family, variant)
    assert "\n" not in str(caught.value)
    for word in words:
        assert word in str(caught.value)


def test_names_of_a_family_and_variant() -> None:
    assert registry_names("sam2", "hiera_b+") == ["sam2_hiera_base_plus", "sam2.1_hiera_base_plus"]
    assert [name for name in registry_names("sam") if name != "sam_vit_nano"] == list(SAM_FILES)


def _embed(folder: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, digest: str | None) -> WeightsEntry:
    folder.mkdir()
    (folder / "sam_vit_nano.safetensors").write_bytes(content)
    monkeypatch.setattr(registry, "WEIGHTS_FOLDER", folder)
    monkeypatch.setitem(registry.NANO_SHA256, "sam_vit_nano", digest)
    (entry,) = embedded_entries(folder)
    monkeypatch.setitem(REGISTRY, entry.name, entry)
    return entry


@pytest.mark.parametrize("known", [True, False])
def test_embedded_weights_come_from_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, known: bool) -> None:
    assert embedded_entries(tmp_path) == ()
    digest = hashlib.sha256(b"nano").hexdigest()
    entry = _embed(tmp_path / "weights", monkeypatch, b"nano", digest if known else None)
    assert (entry.size, entry.url, entry.variant) == (4, None, "vit_nano")
    resolved = resolve_checkpoint("sam_vit_nano", "sam", "vit_nano")
    assert (resolved.kind, resolved.sha256) == ("registry", digest)
    assert resolved.path == tmp_path / "weights" / "sam_vit_nano.safetensors"
    assert sorted(path.name for path in (tmp_path / "weights").iterdir()) == ["sam_vit_nano.safetensors"]
    assert not (tmp_path / "cache").exists()


def test_embedded_weights_with_a_wrong_hash_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _embed(tmp_path / "weights", monkeypatch, b"other", hashlib.sha256(b"nano").hexdigest())
    with pytest.raises(SamAdaptError, match="install the package again"):
        resolve_checkpoint("sam_vit_nano", "sam", "vit_nano")
    assert (tmp_path / "weights" / "sam_vit_nano.safetensors").read_bytes() == b"other"


@pytest.mark.skipif("sam_vit_nano" not in REGISTRY, reason="the embedded weights are not in the package yet")
def test_shipped_embedded_weights_pass() -> None:
    assert resolve_checkpoint("sam_vit_nano", "sam", "vit_nano").sha256 == REGISTRY["sam_vit_nano"].sha256


def test_command_lists_all_weights(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cached = tmp_path / "cache" / "sam2_hiera_tiny.pt"
    cached.parent.mkdir()
    cached.write_bytes(b"tiny")
    assert main(["weights"]) == 0
    header, *rows = (line.split() for line in capsys.readouterr().out.splitlines())
    assert header == ["name", "variant", "size", "licence", "where"]
    assert [row[0] for row in rows] == list(REGISTRY)
    table = {row[0]: row[1:] for row in rows}
    assert table["sam_vit_b"] == ["vit_b", "375", "MB", "Apache-2.0", META + SAM_FILES["sam_vit_b"]]
    assert table["sam2_hiera_tiny"][-1] == str(cached)


def test_command_refuses_an_unknown_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights", "sam_vit_x"]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "name='sam_vit_x': no such weights; choose one of" in error
