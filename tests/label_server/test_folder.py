"""The folder of the app, and what `samadapt serve` makes of its arguments."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from subprocess import CalledProcessError
from typing import Any

import pytest
import torch

from monai_samadapt.bundle_folders import find_bundle
from monai_samadapt.cli import main, parser
from monai_samadapt.commands import serve
from monai_samadapt.errors import SamAdaptError
from monai_samadapt.label_server.folder import Served, prepare_app
from monai_samadapt.label_server.tasks import SamAdaptTraining
from monai_samadapt.label_server.weights import check_weights
from monai_samadapt.packing import pack_base

NANO = {"variant": "vit_nano", "checkpoint": "random", "image_size": 64}


def bundle_of(folder: Path, method: str) -> Path:
    """As much of a packed bundle as decides its names."""
    for name in ("configs/inference.json", "configs/metadata.json", "models/model.pt", "models/adapter.json"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(json.dumps({"method": method}))
    return folder


def options_of(*words: str) -> argparse.Namespace:
    return parser().parse_args(["serve", *words])


def test_names_give_the_kinds(tmp_path: Path) -> None:
    first = bundle_of(tmp_path / "liver_detection_v1", "s_sam")
    second = bundle_of(tmp_path / "Deepgrow", "balr_sam")
    served = prepare_app(tmp_path / "app", [first, second])
    assert served == [Served(first, ("liver_v1", "liver_v1_deepgrow")), Served(second, ("balr_sam",))]
    links = {link.name: link.resolve() for link in (tmp_path / "app/model").iterdir()}
    assert links == {"liver_v1": first, "liver_v1_deepgrow": first, "balr_sam": second}
    (tmp_path / "app/main.py").write_text("own")
    prepare_app(tmp_path / "app", [second])
    assert [link.name for link in (tmp_path / "app/model").iterdir()] == ["balr_sam"]
    comma = bundle_of(tmp_path / "Liver, v1 (CT)", "s_sam")  # MONAI Label divides names at commas
    assert prepare_app(tmp_path / "app", [comma])[0].names == ("liver_v1_ct", "liver_v1_ct_deepgrow")
    assert (tmp_path / "app/main.py").read_text() == "own"


def test_wrong_bundles_are_refused(tmp_path: Path) -> None:
    one = bundle_of(tmp_path / "a" / "liver", "s_sam")
    with pytest.raises(SamAdaptError, match="bundle='liver': is the name of two bundles"):
        prepare_app(tmp_path / "app", [one, bundle_of(tmp_path / "b" / "liver", "s_sam")])
    (one / "models/model.pt").unlink()
    with pytest.raises(SamAdaptError, match=r"has no models/model.pt; make it by samadapt pack"):
        prepare_app(tmp_path / "app", [one])


def test_the_server_fetches_nothing_and_listens_here(tmp_path: Path) -> None:
    options = options_of("--bundle", "x", "--studies", str(tmp_path), "--app", str(tmp_path / "app"))
    words = serve.command(options, [Served(tmp_path, ("x", "x_deepgrow"))])
    pairs = dict(zip(words[1:9:2], words[2:9:2], strict=True))
    places = {"--app": str(tmp_path / "app"), "--studies": str(tmp_path)}
    assert words[0] == "start_server" and pairs == {**places, "--host": "127.0.0.1", "--port": "8000"}
    assert words[9:] == ["--conf", "models", "x,x_deepgrow", "--conf", "zoo_source", "ngc", "--conf", "sam2", "false"]
    uri = f"sqlite:///{tmp_path}/app/mlflow.db"
    environment = serve.environment(options)
    assert (environment["MONAI_LABEL_TRACKING_URI"], environment["MLFLOW_TRACKING_URI"]) == (uri, uri)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The arguments of each server that would have started."""
    calls: list[Any] = []
    monkeypatch.setattr(serve, "start", lambda *arguments: calls.append(arguments))
    return calls


def test_weights_of_another_network_are_refused_by_name(
    tmp_path: Path, started: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    bundle, other = tmp_path / "liver", tmp_path / "other"
    pack_base(find_bundle("s_sam"), ["ct"], bundle, {**NANO, "labels": ["Liver"]})
    check_weights(bundle)
    words = ["serve", "--bundle", str(bundle), "--studies", str(tmp_path), "--app", str(tmp_path / "app")]
    assert main([*words, "--host", "0.0.0.0"]) == 0 and len(started) == 1
    assert "warning: 0.0.0.0 can be reached from other machines" in capsys.readouterr().err
    pack_base(find_bundle("s_sam"), ["ct"], other, {**NANO, "labels": ["Liver", "Spleen"]})
    (bundle / "models/model.pt").write_bytes((other / "models/model.pt").read_bytes())
    assert main(words) == 1 and len(started) == 1
    error = capsys.readouterr().err
    assert "models/model.pt': does not fit the network" in error and error.count("\n") == 1
    state = torch.load(other / "models/model.pt", weights_only=True)
    del state["sam.image_encoder.pos_embed"]
    torch.save(state, other / "models/model.pt")
    with pytest.raises(SamAdaptError, match=r"pos_embed"):
        check_weights(other)


def test_a_training_on_several_devices_that_fails_is_a_failure() -> None:
    with pytest.raises(CalledProcessError, match="status 3"):
        SamAdaptTraining._run_command(None, [sys.executable, "-c", "raise SystemExit(3)"], os.environ)  # type: ignore[arg-type]


def test_the_base_of_a_bundle_with_settings_of_prepare(
    tmp_path: Path, started: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    own = tmp_path / "prepared" / "papila" / "settings.json"
    own.parent.mkdir(parents=True)
    own.write_text(json.dumps({"modality": "fundus", "labels": {"Disc": [1, 2], "Cup": 2}, "nested": True}))
    words = ["serve", "--bundle", "s_sam", "--overlay", str(own), "--studies", str(tmp_path)]
    words += ["--app", str(tmp_path / "app")]
    settings = [word for key, value in NANO.items() for word in ("--set", f"{key}={value}")]
    assert main([*words, *settings]) == 0
    trained = json.loads((tmp_path / "app/bases/s_sam_papila/models/adapter.json").read_text())["preprocessing"]
    assert (trained["modality"], list(trained["labels"]), trained["nested"]) == ("fundus", ["Disc", "Cup"], True)
    assert main(words) == 0  # --set may be left out
    own.write_text(json.dumps({"modality": "fundus", "labels": ["Disc"]}))
    assert main([*words, *settings]) == 1 and len(started) == 2
    assert "overlay=[{'modality': 'fundus', 'labels': ['Disc']}]: " in capsys.readouterr().err


def test_an_overlay_of_the_user_s_is_not_the_bundle_s_of_that_name(
    tmp_path: Path, started: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    own = tmp_path / "ct.json"
    own.write_text(json.dumps({"modality": "mri", "labels": ["A", "B"]}))
    words = ["serve", "--bundle", "s_sam", "--studies", str(tmp_path), "--app", str(tmp_path / "app")]
    settings = [word for key, value in NANO.items() for word in ("--set", f"{key}={value}")]
    assert main([*words, *settings, "--overlay", str(own)]) == 0
    assert main([*words, *settings, "--overlay", "ct"]) == 1 and len(started) == 1
    assert "overlay=[]: " in capsys.readouterr().err


def test_the_base_of_a_bundle_is_packed_once(
    tmp_path: Path, started: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    words = [
        "serve",
        "--bundle",
        "s_sam",
        "--overlay",
        "ct",
        "--studies",
        str(tmp_path),
        "--app",
        str(tmp_path / "app"),
    ]
    settings = [word for key, value in NANO.items() for word in ("--set", f"{key}={value}")]
    assert main([*words, *settings, "--set", "labels=['Liver']"]) == 0
    base = tmp_path / "app/bases/s_sam_ct/models/model.pt"
    stamp = base.stat().st_mtime_ns
    assert main(words) == 0 and base.stat().st_mtime_ns == stamp
    assert sorted(path.name for path in (tmp_path / "app/model").iterdir()) == ["s_sam_ct", "s_sam_ct_deepgrow"]
    assert main([*words, *settings, "--set", "labels=['Liver']"]) == 0
    assert main([*words, *settings, "--set", "labels=['Kidney']"]) == 1
    assert "was packed with" in capsys.readouterr().err and base.stat().st_mtime_ns == stamp
    packed = ["serve", "--bundle", str(base.parents[1]), *words[5:]]
    assert main([*packed, "--overlay", "ct"]) == 1 and main([*packed, "--set", "variant=vit_b"]) == 1
    assert capsys.readouterr().err.count("is for an untrained base") == 2
    assert main(["serve", "--bundle", "none", "--studies", str(tmp_path)]) == 1
    assert main(["serve", "--bundle", str(tmp_path), "--studies", str(tmp_path / "none")]) == 1
    assert len(started) == 3


def test_a_viewer_elsewhere_is_let_in_when_named(tmp_path: Path) -> None:
    """And the trainings of the server, which fail to print URLs, do not see its name."""
    code = (
        "import os; from monai_samadapt.commands.serve import admit; admit('http://127.0.0.1:8000')\n"
        "from monailabel.app import origins\n"
        "print(origins, 'MONAI_LABEL_CORS_ORIGINS' in os.environ)"
    )
    for given, allowed in (({}, "http://127.0.0.1:8000"), (["https://viewer.example"], "https://viewer.example")):
        own = {"MONAI_LABEL_CORS_ORIGINS": json.dumps(given)} if given else {}
        done = subprocess.run([sys.executable, "-c", code], env=os.environ | own, capture_output=True, text=True)
        assert done.stdout.splitlines()[-1] == f"['{allowed}'] False", done.stderr
