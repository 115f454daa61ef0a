"""A session with MONAI Label over REST: upload, infer, correct, submit, train, infer again.

    samadapt serve --bundle runs/liver_bundle --studies studies
    python docs/monai_label_client.py new_case.nii.gz --model liver_bundle --output session

Needs ``requests``. Take it as a beginning for a client of your own.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import requests


class Client:
    """The calls that this session needs.

    Args:
        url: of the server.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        """One request; an error of the server is raised with its cause."""
        answer = requests.request(method, f"{self.url}{path}", timeout=600, **options)
        if not answer.ok:
            raise SystemExit(f"{method} {path}: {answer.status_code} {answer.text}")
        return answer

    def upload(self, image: Path) -> str:
        """Put an image into the studies and return its id."""
        with image.open("rb") as stream:
            found: str = self.call("PUT", "/datastore/image", files={"file": (image.name, stream)}).json()["image"]
        return found

    def infer(self, model: str, image: str, target: Path, **params: Any) -> None:
        """Segment; ``params`` may have ``label`` with ``foreground``, ``background`` (voxels) and ``roi``."""
        form = {"params": json.dumps(params)}
        target.write_bytes(self.call("POST", f"/infer/{model}?image={image}&output=image", data=form).content)

    def submit(self, image: str, label: Path) -> None:
        """Save a corrected label map as the final label of an image."""
        with label.open("rb") as stream:
            self.call("PUT", f"/datastore/label?image={image}&tag=final", files={"label": (label.name, stream)})

    def train(self, model: str, epochs: int) -> None:
        """Train on all final labels, and wait."""
        self.call("POST", f"/train/{model}", json={"max_epochs": epochs})
        while (task := self.call("GET", "/train/").json())["status"] in ("SUBMITTED", "RUNNING"):
            time.sleep(2)
        if task["status"] != "DONE":
            raise SystemExit("\n".join([f"training: {task['status']}", *task["details"][-5:]]))


def main() -> None:
    """Run the session."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("image", type=Path, help="volume or picture")
    parser.add_argument("--model", required=True, help="name as GET /info/ tells it")
    parser.add_argument("--label", type=Path, help="the corrected label map; by default the prediction itself")
    parser.add_argument("--click", type=json.loads, help='e.g. {"label": "Liver", "foreground": [[120, 80, 31]]}')
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--output", type=Path, default=Path("session"), help="folder of the label maps")
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    options = parser.parse_args()
    client, output = Client(options.url), options.output
    output.mkdir(parents=True, exist_ok=True)
    models = client.call("GET", "/info/").json()["models"]
    if options.model not in models:
        raise SystemExit(f"no model {options.model}; there are {', '.join(models)}")
    model = models[options.model]
    print(f"{options.model} segments {', '.join(model['labels'])}")
    image, end = client.upload(options.image), model["config"]["result_extension"]
    client.infer(options.model, image, output / f"before{end}")
    if options.click:
        client.infer(f"{options.model}_deepgrow", image, output / f"click{end}", **options.click)
    client.submit(image, options.label or output / f"before{end}")  # correct it here, in an editor of your own
    client.train(options.model, options.epochs)
    client.infer(options.model, image, output / f"after{end}")
    print(f"label maps before and after the training: {output}")


if __name__ == "__main__":
    main()
