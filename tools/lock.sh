#!/bin/sh
# Makes requirements.lock and requirements-test.lock from pyproject.toml: every version and hash that ./vaka installs,
# for Python 3.11 to 3.14. Run it after a change of the dependencies; needs uv (pip install uv), and only then.
# What is locked stays at its version; ./tools/lock.sh --upgrade takes the newest.
set -eu
cd "$(dirname -- "$0")/.."
lock() {
    target=$1
    shift
    # setuptools builds the project itself, and must be locked like the rest.
    printf 'setuptools>=77\n' | uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
        --no-build --no-header --no-annotate "$@" pyproject.toml - -o "$target" \
        >/dev/null
    if grep -n '://' "$target"; then
        echo "$target names an address" >&2
        exit 1
    fi
}
lock requirements.lock "$@"
lock requirements-test.lock --extra test --constraint requirements.lock "$@"
