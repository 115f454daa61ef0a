"""The project files: requirements, versions, the wheel and the fetching of uv."""

from __future__ import annotations

import ast
import configparser
import hashlib
import io
import json
import platform
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import monai_samadapt

ROOT = Path(__file__).resolve().parents[1]
EXTRAS = ("label", "clip", "export", "test")
# Upper bounds that only MONAI Label 0.8.5 needs.
LABEL_ONLY = {"numpy", "pydicom", "pynetdicom", "dicomweb-client", "jsonschema", "monailabel", "fastapi"}
DISTRIBUTIONS = {
    "hydra": "hydra-core",
    "skimage": "scikit-image",
    "ignite": "pytorch-ignite",
    "PIL": "pillow",
    "sklearn": "scikit-learn",
}


def read_requirements() -> dict[str, list[Requirement]]:
    """The requirements of setup.cfg by extra; ``""`` holds those of every installation."""
    config = configparser.ConfigParser(comment_prefixes=("#",))
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    lists = {"": config["options"]["install_requires"], **config["options.extras_require"]}
    return {extra: [Requirement(line) for line in text.split("\n") if line] for extra, text in lists.items()}


def bounds(requirements: list[Requirement]) -> dict[str, str]:
    return {canonicalize_name(requirement.name): str(requirement.specifier) for requirement in requirements}


def test_extras_are_the_documented_ones() -> None:
    assert sorted(read_requirements()) == sorted(("", *EXTRAS))


def test_upper_bounds_of_monai_label_are_in_its_extra_alone() -> None:
    requirements = read_requirements()
    label = bounds(requirements.pop("label"))
    assert label["numpy"] == "<2"
    assert set(label) == LABEL_ONLY
    for extra, others in requirements.items():
        bounded = {name for name, specifier in bounds(others).items() if specifier}
        assert not bounded & LABEL_ONLY, f"extra {extra!r}"


def module_level_imports(path: Path) -> set[str]:
    """Top-level names of the packages that a file imports when it is itself imported."""
    names = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names - set(sys.stdlib_module_names) - {"monai_samadapt", "__future__"}


def test_plain_installation_brings_every_package_imported() -> None:
    """The package of MONAI Label's server is imported by ``samadapt serve`` alone, which asks for the extra."""
    requirements = read_requirements()
    base, label = (set(bounds(requirements[extra])) for extra in ("", "label"))
    for path in sorted((ROOT / "src").rglob("*.py")):
        needed = {canonicalize_name(DISTRIBUTIONS.get(name, name)) for name in module_level_imports(path)}
        there = base | label if path.parent.name == "label_server" else base
        assert needed <= there, f"{path.name} imports {sorted(needed - there)}, which setup.cfg does not require"


def test_version_is_the_same_everywhere() -> None:
    version = monai_samadapt.__version__
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    headings = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert headings[0] in {"Unreleased", version}


MAIN_PINS = {"monai": "monai", "torch": "pytorch", "numpy": "numpy"}
METADATA = sorted(ROOT.glob("bundles/*/configs/metadata.json"))


@pytest.mark.parametrize("path", METADATA, ids=lambda path: path.parts[-3])
def test_pins_of_a_bundle_satisfy_setup_cfg(path: Path) -> None:
    metadata = json.loads(path.read_text(encoding="utf-8"))
    pins = dict(metadata.get("required_packages_version") or metadata.get("optional_packages_version") or {})
    pins |= {name: metadata[f"{key}_version"] for name, key in MAIN_PINS.items()}
    pins = {canonicalize_name(name): version for name, version in pins.items()}
    pins.pop("monai-samadapt", None)
    required = {canonicalize_name(r.name): r.specifier for r in read_requirements()[""]}
    for name, version in pins.items():
        assert name in required, f"{name} is pinned in {path.parts[-3]} and not required by setup.cfg"
        assert version in required[name], f"{name}=={version} of {path.parts[-3]} against {name}{required[name]}"


def test_wheel_holds_the_bundles_and_no_runs(tmp_path: Path) -> None:
    source = tmp_path / "source"
    shutil.copytree(ROOT / "src", source / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for name in ("setup.py", "setup.cfg", "pyproject.toml", "LICENSE"):
        shutil.copy2(ROOT / name, source / name)
    (source / "README.md").write_text("# monai_samadapt\n", encoding="utf-8")
    for name in ("configs/train.json", "docs/README.md", "models/README.md", "LICENSE", "runs/latest/model.pt"):
        (source / "bundles/s_sam" / name).parent.mkdir(parents=True, exist_ok=True)
        (source / "bundles/s_sam" / name).write_text(name, encoding="utf-8")
    build = f"from setuptools import build_meta; print(build_meta.build_wheel({str(tmp_path)!r}))"
    done = subprocess.run([sys.executable, "-c", build], cwd=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]

    wheel = tmp_path / f"monai_samadapt-{monai_samadapt.__version__}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        shipped = {name.removeprefix("monai_samadapt/bundles/") for name in names if "/bundles/s_sam/" in name}
        scripts = archive.read(f"monai_samadapt-{monai_samadapt.__version__}.dist-info/entry_points.txt").decode()
    files = ("configs/train.json", "docs/README.md", "models/README.md", "LICENSE")
    assert shipped == {f"s_sam/{file}" for file in files}
    sources = {str(path.relative_to(ROOT / "src")) for path in (ROOT / "src").rglob("*.py")}
    assert sources <= names
    assert "monai_samadapt/py.typed" in names
    assert "samadapt = monai_samadapt.cli:main" in scripts


def write_uv_index(folder: Path, sha256: str | None = None) -> str:
    """A registry in a folder: one wheel for this machine and the JSON that PyPI would give for it."""
    wheel = io.BytesIO()
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("uv-1.0.data/scripts/uv", "#!/bin/sh\necho uv 1.0\n")
    name = f"uv-1.0-py3-none-manylinux_2_17_{platform.machine()}.manylinux2014_{platform.machine()}.whl"
    (folder / name).write_bytes(wheel.getvalue())
    digest = sha256 or hashlib.sha256(wheel.getvalue()).hexdigest()
    index = {"urls": [{"filename": name, "url": name, "digests": {"sha256": digest}}]}
    (folder / "index.json").write_text(json.dumps(index), encoding="utf-8")
    return (folder / "index.json").as_uri()


def fetch_uv(folder: Path, index: str) -> subprocess.CompletedProcess[str]:
    code = f"import fetch_uv; fetch_uv.main({str(folder)!r}, {index!r})"
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=ROOT / "scripts", capture_output=True, text=True, check=False)


def test_fetch_uv_writes_an_executable(tmp_path: Path) -> None:
    done = fetch_uv(tmp_path / "bin", write_uv_index(tmp_path))
    assert done.returncode == 0, done.stderr
    answer = subprocess.run([tmp_path / "bin" / "uv", "--version"], capture_output=True, text=True, check=True)
    assert answer.stdout == "uv 1.0\n"


@pytest.mark.parametrize("fault", ["hash", "address"])
def test_fetch_uv_refuses_in_one_line(tmp_path: Path, fault: str) -> None:
    index = write_uv_index(tmp_path, sha256="0" * 64)
    done = fetch_uv(tmp_path / "bin", index if fault == "hash" else f"{index}.absent")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert ("sha256=" if fault == "hash" else "url=") in done.stderr
    assert not (tmp_path / "bin").exists()
