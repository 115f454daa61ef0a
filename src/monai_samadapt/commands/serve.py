"""``samadapt serve``: serve packed bundles by MONAI Label, for 3D Slicer, CVAT and REST clients."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from monai_samadapt.bundle_folders import bundles_folder, find_bundle, read_overlay
from monai_samadapt.commands.pack import add_settings, parse_settings
from monai_samadapt.errors import SamAdaptError

if TYPE_CHECKING:
    from monai_samadapt.label_server.folder import Served

LOCAL = ("127.0.0.1", "localhost", "::1")


def register(commands: Any) -> None:
    """Add the arguments."""
    parser = commands.add_parser("serve", help=__doc__)
    parser.add_argument("--bundle", nargs="+", required=True, help="packed folders; or a bundle's name: its base")
    parser.add_argument("--studies", type=Path, required=True, help="folder of images; labels are written into it")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--tracking_uri", help="MLflow of trainings; by default mlflow.db in the app folder")
    parser.add_argument(
        "--app", type=Path, default=Path("samadapt_app"), help="folder for links, logs, untrained bases"
    )
    add_settings(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Prepare the app, check the weights, and serve until interrupted."""
    if find_spec("monailabel") is None:
        raise SamAdaptError("bundle", options.bundle[0], "MONAI Label is missing", "pip install monai_samadapt[label]")
    if not options.studies.is_dir():
        raise SamAdaptError("studies", str(options.studies), "no such folder", "give the folder of the images")
    for key, given in (("overlay", options.overlay), ("set", options.set)):
        if given and all(Path(name).is_dir() for name in options.bundle):
            raise SamAdaptError(key, given[0], "is for an untrained base", "leave it out: a packed folder has its own")
    from monai_samadapt.label_server.folder import prepare_app
    from monai_samadapt.label_server.weights import check_weights

    served = prepare_app(options.app, [find(name, options) for name in options.bundle])
    for one in served:
        check_weights(one.bundle)
        print(f"{one.bundle}: {', '.join(one.names)}")
    if options.host not in LOCAL:
        print(
            f"warning: {options.host} can be reached from other machines; MONAI Label asks nobody for a password, and "
            "whoever reaches it can read and change the studies",
            file=sys.stderr,
        )
    start(command(options, served), environment(options), f"http://{options.host}:{options.port}")


def start(arguments: list[str], environment: dict[str, str], address: str) -> None:
    """Run MONAI Label's server in this process, which has loaded most of it already; it reads both on being loaded.

    Where ``MONAI_LABEL_CORS_ORIGINS`` names no others, only pages of ``address`` may talk to it; MONAI Label lets every
    page that the user's browser shows.
    """
    os.environ.update(environment)
    sys.argv = ["monailabel", *arguments]
    from monailabel.main import Main

    admit(address)
    Main().run()


def admit(address: str) -> None:
    """Make MONAI Label's app with the origins it answers, then forget them: it and its trainings fail to print URLs."""
    from monailabel.config import settings

    origins = [str(origin).rstrip("/") for origin in settings.MONAI_LABEL_CORS_ORIGINS] or [address]
    settings.MONAI_LABEL_CORS_ORIGINS = origins
    importlib.import_module("monailabel.app")
    settings.MONAI_LABEL_CORS_ORIGINS = []
    os.environ.pop("MONAI_LABEL_CORS_ORIGINS", None)


def find(name: str, options: argparse.Namespace) -> Path:
    """A packed folder; for the name of a bundle its untrained base, packed into the app folder once."""
    if Path(name).is_dir():
        return Path(name)
    if not (bundles_folder() / name).is_dir():
        remedy = "give a folder made by samadapt pack, or the name of a bundle"
        raise SamAdaptError("bundle", name, "no such folder or bundle", remedy)
    target: Path = options.app / "bases" / "_".join([name, *map(_short, options.overlay)])
    record = target.with_name(f"{target.name}.json")
    files = [overlay for overlay in options.overlay if overlay.endswith(".json")]
    given: dict[str, Any] = {
        "overlay": [read_overlay(find_bundle(name), file) for file in files],
        "set": parse_settings(options.set),
    }
    if target.is_dir():
        _check_given(given, json.loads(record.read_text()) if record.is_file() else {}, target)
        return target
    from monai_samadapt.packing import pack_base
    from monai_samadapt.reports.jsonfile import write_json

    pack_base(find_bundle(name), options.overlay, target, given["set"])
    write_json(given, record)
    print(f"packed the untrained base: {target}")
    return target


def _short(overlay: str) -> str:
    """The name of an overlay; of the ``settings.json`` of a prepared set that of its folder."""
    path = Path(overlay)
    return path.resolve().parent.name if path.name == "settings.json" else path.stem


def _check_given(given: dict[str, Any], was: dict[str, Any], target: Path) -> None:
    """Refuse other overlays of the user's than a base was packed with, and other settings where some are given."""
    for key, value in given.items():
        before = was.get(key, type(value)())
        if before != value and (value or key == "overlay"):
            remedy = "give the same, or another --app" + (", or leave it out" if key == "set" else "")
            raise SamAdaptError(key, value, f"{target} was packed with {before}", remedy)


def command(options: argparse.Namespace, served: list[Served]) -> list[str]:
    """The arguments of ``monailabel``: nothing is fetched, and MONAI Label's own SAM2 is left out."""
    names = ",".join(name for one in served for name in one.names)
    places = ["--app", str(options.app.resolve()), "--studies", str(options.studies.resolve())]
    address = ["--host", options.host, "--port", str(options.port)]
    conf = {"models": names, "zoo_source": "ngc", "sam2": "false"}
    return [
        "start_server",
        *places,
        *address,
        *(word for key, value in conf.items() for word in ("--conf", key, value)),
    ]


def environment(options: argparse.Namespace) -> dict[str, str]:
    """What the server and its trainings read from the environment."""
    uri = options.tracking_uri or f"sqlite:///{options.app.resolve() / 'mlflow.db'}"
    found = {"MONAI_LABEL_TRACKING_URI": uri, "MLFLOW_TRACKING_URI": uri, "MONAI_LABEL_AUTO_UPDATE_SCORING": "false"}
    return {"OMP_WAIT_POLICY": "PASSIVE"} | {"PYTHONPATH": "", **os.environ} | found
