"""The files of a training run: complete, small, and enough to make the network again."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from monai_samadapt import __version__, cli
from monai_samadapt.backbones import build_sam
from monai_samadapt.backbones.loading import state_sha256
from monai_samadapt.engines.artefacts import network_from_adapter
from monai_samadapt.networks import SSam
from monai_samadapt.transforms import DataSpec

FILES = (
    *("adapter.json", "adapter.safetensors", "checkpoint_last.pt", "datalist.json", "history.csv", "manifest.json"),
    *("model.pt", "preflight.json"),
)


def description(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "adapter.json").read_text(encoding="utf-8"))
    return content


def history(folder: Path) -> list[dict[str, str]]:
    with open(folder / "history.csv", newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_run_leaves_its_files_and_nothing_else(ct_run: Any) -> None:
    assert sorted(path.name for path in ct_run.folder.iterdir()) == list(FILES)
    modes = {path.name: path.stat().st_mode & 0o777 for path in ct_run.folder.iterdir()}
    assert len(set(modes.values())) == 1, modes  # who can read the folder can read every file


def test_adapter_is_a_few_per_cent_of_the_model(ct_run: Any) -> None:
    share = (ct_run.folder / "adapter.safetensors").stat().st_size / (ct_run.folder / "model.pt").stat().st_size
    assert share < 0.04
    report = SSam("vit_nano", 64, ct_run.ids["labels"]).parameter_report()
    stored = load_file(ct_run.folder / "adapter.safetensors")
    assert sum(value.numel() for value in stored.values()) == report.trainable + stored["label_embeddings"].numel()


def test_description_tells_what_the_adapter_needs(ct_run: Any) -> None:
    found = description(ct_run.folder)
    spec = DataSpec("ct", ct_run.ids["labels"], image_size=64, window=(-160, 240))
    assert found["method"] == "s_sam"
    assert found["labels"] == ct_run.ids["labels"]
    assert DataSpec.from_dict(found["preprocessing"]) == spec
    base = {"variant": "vit_nano", "image_size": 64, "checkpoint": "random", "seed": 0}
    assert found["base"] == base | {"sha256": state_sha256(build_sam("vit_nano", 64, "random", 0))}
    assert found["parameters"] == SSam("vit_nano", 64, ct_run.ids["labels"]).parameter_report().parts
    assert found["versions"]["monai_samadapt"] == __version__


def test_best_epoch_is_kept(ct_run: Any, picture_run: Any) -> None:
    for run in (ct_run, picture_run):
        dice = [float(row["val_mean_dice"]) for row in history(run.folder)]
        best = description(run.folder)["run"]["best"]
        assert best["epoch"] == 1 + dice.index(max(dice))
        assert best["val_mean_dice"] == max(dice) > 0
        last = torch.load(run.folder / "checkpoint_last.pt", weights_only=True)
        kept = load_file(run.folder / "adapter.safetensors")
        same = all(torch.equal(kept[name], value) for name, value in last["network"].items())
        assert same == (best["epoch"] == len(dice))


def test_history_has_the_share_of_dead_singular_values(ct_run: Any) -> None:
    network = SSam("vit_nano", 64, ct_run.ids["labels"], checkpoint="random")
    network.load_adapter_state(torch.load(ct_run.folder / "checkpoint_last.pt", weights_only=True)["network"])
    values = torch.cat([layer.singular_values for layer in network.adapters.layers.values()])
    assert float(history(ct_run.folder)[-1]["dead_fraction"]) == pytest.approx((values <= 0).float().mean().item())


def test_manifest_counts_what_the_run_printed(ct_run: Any) -> None:
    manifest = json.loads((ct_run.folder / "manifest.json").read_text(encoding="utf-8"))
    report = SSam("vit_nano", 64, ct_run.ids["labels"]).parameter_report()
    assert manifest["parameters"]["trainable"] == report.trainable == 84_352
    assert manifest["parameters"]["trainable_percent"] == pytest.approx(100 * 84_352 / 3_581_024)
    assert manifest["datalist"]["items"] == {"training": 3, "validation": 1}
    assert manifest["epochs"] == len(history(ct_run.folder)) == 3
    assert manifest["best"]["epoch"] == description(ct_run.folder)["run"]["best"]["epoch"]


def test_model_loads_strictly_and_equals_base_and_adapter(bundle: Any, ct_run: Any) -> None:
    state = torch.load(ct_run.folder / "model.pt", weights_only=True)
    network = bundle.workflow("inference+ct", "infer", **ct_run.model).network_def
    assert not network.weights_loaded
    network.load_state_dict(state, strict=True)
    assert network.weights_loaded
    again = network_from_adapter(ct_run.folder)
    assert {name: value.dtype for name, value in again.state_dict().items()} == {k: v.dtype for k, v in state.items()}
    for name, value in again.state_dict().items():
        torch.testing.assert_close(value, state[name], atol=0, rtol=0, msg=name)
    image = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = network.eval()(image)
        torch.testing.assert_close(again(image), expected, atol=0, rtol=0)
        untrained = SSam("vit_nano", 64, ct_run.ids["labels"], checkpoint="random").eval()(image)
    assert (expected - untrained).abs().max() > 0.01


def test_adapter_refuses_another_base(ct_run: Any, tmp_path: Path) -> None:
    other = tmp_path / "other.pt"
    torch.save(build_sam("vit_nano", 64, "random", seed=1).state_dict(), other)
    with pytest.raises(ValueError, match=r"checkpoint=.*the adapter was trained on"):
        network_from_adapter(ct_run.folder, str(other))


def test_merge_of_nano_says_what_loads_it_and_writes_the_model(
    ct_run: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["merge", str(ct_run.folder), "--to", str(tmp_path)]) == 0
    reason = "no stock checkpoint: segment_anything has no builder of vit_nano"
    loaded = f"wrote {tmp_path / 'model.pt'}, which this package loads as model_file"
    assert capsys.readouterr().out == f"{reason}\n{loaded}\n"
    assert [path.name for path in tmp_path.iterdir()] == ["model.pt"]
    merged, model = (torch.load(path / "model.pt", weights_only=True) for path in (tmp_path, ct_run.folder))
    assert list(merged) == list(model)
    assert all(torch.equal(merged[name], model[name]) for name in model)


def test_bundles_command_copies_a_bundle(bundle: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "mine"
    assert cli.main(["bundles"]) == 0
    assert "\ns_sam  0." in f"\n{capsys.readouterr().out}"
    assert cli.main(["bundles", "s_sam", str(target)]) == 0
    for path in (bundle.root / "configs").iterdir():
        assert (target / "configs" / path.name).read_bytes() == path.read_bytes()
    assert cli.main(["bundles", "s_sam", str(target)]) == 1
    assert capsys.readouterr().err.count("\n") == 1
