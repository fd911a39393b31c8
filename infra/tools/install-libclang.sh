#!/bin/sh
# Puts a libclang into .tools/libclang/ for the generator of FoundationDB's bindings (the cargo feature `fdb`): a link
# to an installed one, else the pinned one from PyPI, else it names the package. It changes nothing outside .tools/.
# The bindings do not depend on its version, so an existing one is kept.

set -eu
cd "$(dirname "$0")/../.."

version=18.1.1

case $(uname -s) in
Darwin) library=libclang.dylib ;;
*) library=libclang.so ;;
esac

mkdir -p .tools/libclang
staging=$(mktemp -d .tools/install.XXXXXX)
trap 'rm -rf "$staging"' EXIT
trap 'exit 1' HUP INT TERM

# It must load under its final name, and be version 11 or newer, which introduced this function.
is_usable() {
    [ -e "$staging/$library" ] || return 1
    command -v python3 >/dev/null || return 0
    python3 -c 'import ctypes, sys; ctypes.CDLL(sys.argv[1]).clang_Type_getValueType' \
        "$PWD/$staging/$library" 2>/dev/null
}

from_system() {
    for found in "$(llvm-config --libdir 2>/dev/null)/$library" \
        /usr/lib/llvm-*/lib/libclang.so* /usr/lib/*-linux-gnu/libclang-[0-9]*.so* \
        /usr/lib64/libclang.so* /usr/lib64/llvm*/lib*/libclang.so* /usr/lib/libclang.so* /usr/local/lib/libclang.so* \
        /Library/Developer/CommandLineTools/usr/lib/libclang.dylib \
        /Applications/Xcode.app/Contents/Developer/Toolchains/XcodeDefault.xctoolchain/usr/lib/libclang.dylib; do
        ln -sf "$found" "$staging/$library"
        is_usable && return
    done
    rm -f "$staging/$library"
    return 1
}

# One hash per platform: Linux and macOS, x86-64 and ARM64.
from_pypi() {
    python3 -m pip --version >/dev/null 2>&1 || return 1
    cat >"$staging/requirements.txt" <<END
libclang==$version \
    --hash=sha256:c533091d8a3bbf7460a00cb6c1a71da93bffe148f172c7d03b1c31fbf8aa2a0b \
    --hash=sha256:54dda940a4a0491a9d1532bf071ea3ef26e6dbaf03b5000ed94dd7174e8f9592 \
    --hash=sha256:6f14c3f194704e5d09769108f03185fce7acaf1d1ae4bbb2f30a72c2400cb7c5 \
    --hash=sha256:0b2e143f0fac830156feb56f9231ff8338c20aecfe72b4ffe96f19e5a1dbb69a
END
    echo "installing libclang $version into .tools/" >&2
    PIP_ROOT_USER_ACTION=ignore python3 -m pip install --quiet --disable-pip-version-check --no-input --no-deps \
        --only-binary :all: --require-hashes --requirement "$staging/requirements.txt" --target "$staging" || return 1
    mv "$staging/clang/native/$library" "$staging/$library" && is_usable
}

from_system || from_pypi || {
    echo "The generator of FoundationDB's bindings needs libclang 11 or newer. Install libclang-dev (Debian, Ubuntu)," \
        "clang-libs (Fedora, Amazon Linux) or the command line tools (macOS: xcode-select --install), or set" \
        "LIBCLANG_PATH to its folder." >&2
    exit 1
}

# Moved in one step, so that an interrupted install leaves no partial file.
mv -f "$staging/$library" ".tools/libclang/$library"
