#!/usr/bin/env bash
# Make .venv with everything that `make demo` and `make test` need, on a bare Debian or Ubuntu machine.
#
# Needs bash and one of: uv, python3 (3.8 or later, with or without pip), curl. A second call returns at once: a stamp in
# .venv holds a hash of what the installation depends on, and is written last.
#
# Environment: SAMADAPT_EXTRAS (default "test,label,export,clip"); uv's own variables, among them UV_DEFAULT_INDEX,
# UV_CACHE_DIR and UV_LINK_MODE; SSL_CERT_FILE.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

ROOT=$PWD
VENV=$ROOT/.venv
TOOLS=$ROOT/.tools
STAMP=$VENV/.samadapt-installed
EXTRAS=${SAMADAPT_EXTRAS:-test,label,export,clip}
PYTHONS="python3.12 python3.11 python3.10 python3"

say() { echo "[setup] $*" >&2; }

fail() { echo "[setup] $*" >&2; exit 1; }

fingerprint() {
    { echo "$ROOT $EXTRAS"; cat setup.cfg setup.py pyproject.toml scripts/setup_env.sh; } | sha256sum | cut -d ' ' -f 1
}

# A Python this project supports that really starts (a pyenv shim may not), with the modules the packages need.
usable_python() {
    "$1" -c 'import sys, bz2, ctypes, lzma, sqlite3, ssl
sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))' >/dev/null 2>&1
}

installed() {
    [ -f "$STAMP" ] && [ "$(cat "$STAMP")" = "$(fingerprint)" ] && usable_python "$VENV/bin/python"
}

uv_works() { "$1" --version >/dev/null 2>&1; }

# The system's certificates where uv's own do not do (a proxy that signs anew); the variable's name changed with versions.
with_system_certificates() {
    "$@" && return
    say "that failed; trying once more, with this machine's certificates"
    export UV_NATIVE_TLS=1 UV_SYSTEM_CERTS=1
    "$@"
}

fetch_uv() {
    local python
    for python in python3 $PYTHONS; do
        "$python" -c 'import ssl' >/dev/null 2>&1 || continue
        say "getting uv with $python -m pip"
        if "$python" -m pip install --quiet --disable-pip-version-check --upgrade --target "$TOOLS" uv 2>/dev/null; then
            uv_works "$TOOLS/bin/uv" && return
        fi
        say "pip does not do; getting uv's wheel with $python alone"
        if "$python" scripts/fetch_uv.py "$TOOLS/bin"; then uv_works "$TOOLS/bin/uv" && return; fi
        break
    done
    command -v curl >/dev/null 2>&1 || return 1
    say "getting uv with its installer"
    curl --proto '=https' -LsSf https://astral.sh/uv/install.sh | UV_UNMANAGED_INSTALL="$TOOLS/bin" sh >&2 || return 1
    uv_works "$TOOLS/bin/uv"
}

find_uv() {
    local candidate
    for candidate in uv "$TOOLS/bin/uv" "$HOME/.local/bin/uv"; do
        if uv_works "$candidate"; then UV=$candidate; return; fi
    done
    fetch_uv || fail "could not get uv: check the network, or install it (https://docs.astral.sh/uv), then run this again"
    UV=$TOOLS/bin/uv
}

# An interrupted installation goes on in the environment it began.
make_venv() {
    local name path
    if usable_python "$VENV/bin/python"; then return; fi
    rm -rf "$VENV"
    for name in $PYTHONS; do
        path=$(command -v "$name" || true)
        if [ -n "$path" ] && usable_python "$path"; then
            "$UV" venv --quiet --python "$(readlink -f "$("$path" -c 'import sys; print(sys.executable)')")" "$VENV"
            return
        fi
    done
    say "no Python 3.10 to 3.12 here; uv brings its own"
    with_system_certificates env UV_PYTHON_PREFERENCE=only-managed "$UV" venv --quiet --python 3.12 "$VENV"
}

# Hard links from uv's cache need one file system; elsewhere uv copies, and saying so keeps it quiet.
choose_link_mode() {
    local cache
    cache=$("$UV" cache dir) && mkdir -p "$cache"
    if [ -z "${UV_LINK_MODE:-}" ] && [ "$(stat -c %d "$cache")" != "$(stat -c %d "$VENV")" ]; then
        export UV_LINK_MODE=copy
    fi
}

pip_install() { with_system_certificates "$UV" pip install --python "$VENV/bin/python" "$@"; }

# The build of sam2 (a source distribution) imports torch: with the torch already here there is no second one.
install_all() {
    export UV_HTTP_TIMEOUT=${UV_HTTP_TIMEOUT:-180} SAM2_BUILD_CUDA=0
    rm -f "$STAMP"
    say "installing torch and torchvision"
    pip_install 'torch>=2.8' torchvision setuptools wheel
    say "installing monai_samadapt[$EXTRAS]"
    pip_install --no-build-isolation -e ".[$EXTRAS]"
}

if installed; then exit 0; fi
if command -v flock >/dev/null 2>&1; then
    mkdir -p "$TOOLS"
    exec 9>"$TOOLS/setup.lock"
    flock 9
    if installed; then exit 0; fi
fi
START=$SECONDS
find_uv
make_venv
choose_link_mode
install_all
fingerprint >"$STAMP.part"
mv "$STAMP.part" "$STAMP"
say "done in $((SECONDS - START)) s"
