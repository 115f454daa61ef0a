from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from monai_samadapt.errors import SamAdaptError
from monai_samadapt.files import sha256
from monai_samadapt.pretrain.mean import main, mean_of


def write(path: Path, value: float, size: int = 2, **metadata: str) -> Path:
    save_file({"a": torch.full((size,), value).half(), "b": torch.full((3,), 2.0 * value)}, path, metadata)
    return path


def test_mean_and_recipes_of_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [write(tmp_path / f"{n}.safetensors", n, licence="A", recipe=json.dumps({"seed": n})) for n in (1, 2, 6)]
    output = tmp_path / "mean.safetensors"
    main([str(output), *map(str, files)])
    assert capsys.readouterr().out.strip() == sha256(output)
    means = load_file(output)
    assert means["a"].dtype == torch.float16 and means["a"].tolist() == [3, 3]
    assert means["b"].dtype == torch.float32 and means["b"].tolist() == [6, 6, 6]
    with safe_open(output, "pt") as file:
        metadata = file.metadata()
    assert metadata["licence"] == "A" and json.loads(metadata["recipe"]) == [{"seed": n} for n in (1, 2, 6)]
    mean_of([output, files[0]], tmp_path / "again.safetensors")
    with safe_open(tmp_path / "again.safetensors", "pt") as file:
        assert json.loads(file.metadata()["recipe"]) == [{"seed": n} for n in (1, 2, 6, 1)]


def test_other_shapes_are_refused(tmp_path: Path) -> None:
    files = [write(tmp_path / "1.safetensors", 1), write(tmp_path / "2.safetensors", 1, size=3)]
    with pytest.raises(SamAdaptError, match=r"2\.safetensors"):
        mean_of(files, tmp_path / "mean.safetensors")
    assert not (tmp_path / "mean.safetensors").exists()
