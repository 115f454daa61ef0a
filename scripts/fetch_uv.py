"""Put the uv executable into a folder with nothing but Python's standard library: ``fetch_uv.py FOLDER``.

For machines whose python3 has neither pip nor venv. The wheel comes from PyPI and is checked against the SHA-256 that
PyPI states for it.
"""

import hashlib
import io
import json
import os
import platform
import sys
import urllib.parse
import urllib.request
import zipfile

INDEX = "https://pypi.org/pypi/uv/json"


def choose_wheel(files, machine):
    """Return PyPI's entry of the Linux wheel for ``machine`` (``x86_64``, ``aarch64``, ...), glibc before musl."""
    for libc in ("manylinux", "musllinux"):
        for file in files:
            name = file["filename"]
            if name.endswith(".whl") and libc in name and f"{machine}." in name.replace("-", "."):
                return file
    raise SystemExit(
        f"machine={machine!r}: PyPI has no uv wheel for it; install uv by hand (https://docs.astral.sh/uv)"
    )


def extract_uv(wheel, sha256, folder):
    """Check the wheel's bytes against ``sha256`` and write its ``uv`` executable into ``folder``; return the path."""
    found = hashlib.sha256(wheel).hexdigest()
    if found != sha256:
        raise SystemExit(f"sha256={found!r}: the downloaded uv wheel should have {sha256}; try again")
    with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
        member = next(name for name in archive.namelist() if name.endswith(".data/scripts/uv"))
        program = archive.read(member)
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, "uv")
    with open(path + ".part", "wb") as stream:
        stream.write(program)
    os.chmod(path + ".part", 0o755)
    os.replace(path + ".part", path)
    return path


def fetch(url, timeout):
    """Return the bytes behind ``url``, or end with one line that names it."""
    try:
        with urllib.request.urlopen(url, timeout=timeout) as answer:
            return answer.read()
    except OSError as error:
        raise SystemExit(f"url={url!r}: {error}; check the network or install uv by hand") from error


def main(folder, index=INDEX):
    """Fetch the newest uv for this machine."""
    file = choose_wheel(json.loads(fetch(index, timeout=60))["urls"], platform.machine())
    # Mirrors of PyPI give relative addresses.
    wheel = fetch(urllib.parse.urljoin(index, file["url"]), timeout=300)
    print(extract_uv(wheel, file["digests"]["sha256"], folder), file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1])
