#!/bin/sh
# Installs what building and testing need and this machine lacks; silent when nothing is to do.
#
#   1. Node >= 20.19 must be there already: it is the one thing that is not installed here.
#   2. Debian 12 packages (compilers, libraries, browsers). Elsewhere: says exactly what to install.
#   3. Emscripten: an emcc >= 3.1.60 on PATH is used. Else Debian 13's package is unpacked, not
#      installed, under ~/.cache/bert-wasm: Debian 12's own is too old for relaxed SIMD, and
#      installing Debian 13's would replace the C library.
#   4. The sources of what the converter as WebAssembly is made of beside our own: those of Debian 12's
#      protobuf-c, cJSON and libmd, unpacked under ~/.cache/bert-wasm. No copy of them is in the tree.
#   5. npm packages by the lock file.
#
# Every step is idempotent and can be interrupted and run again.
set -eu
cd "$(dirname "$0")/.."

cache=${XDG_CACHE_HOME:-$HOME/.cache}/bert-wasm
emscripten=$cache/emscripten

say() { printf 'setup: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

# --- 1. Node -----------------------------------------------------------------------------------

command -v node >/dev/null || die "Node.js >= 20.19 is needed and was not found: install it, then run this again"
node -e '
    const [major, minor] = process.versions.node.split(".").map(Number);
    process.exit(major > 20 || (major === 20 && minor >= 19) ? 0 : 1);
' || die "Node.js >= 20.19 is needed, this is $(node --version): install a newer one, then run this again"

# --- 2. system packages ------------------------------------------------------------------------

# qemu and the cross libraries run the C tests for ARM. Of WebKitGTK its library has the browser, MiniBrowser; it needs a display, which Xvfb is.
packages="make gcc libc6-dev clang-19 lld-19 llvm-19 libclang-rt-19-dev clang-format-19 valgrind
    protobuf-c-compiler libprotobuf-c-dev libonnx-dev libcjson-dev libssl-dev libsimde-dev
    dpkg-dev qemu-user-static libc6-dev-arm64-cross libgcc-12-dev-arm64-cross
    chromium firefox-esr libwebkit2gtk-4.1-0 xvfb"

is_debian_12() {
    [ -r /etc/os-release ] && (. /etc/os-release && [ "${ID:-}" = debian ] && [ "${VERSION_ID:-}" = 12 ])
}

is_installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

if is_debian_12; then
    if [ "$(id -u)" = 0 ]; then sudo=; else sudo=sudo; fi
    export DEBIAN_FRONTEND=noninteractive
    missing=
    for package in $packages; do
        is_installed "$package" || missing="$missing $package"
    done
    if [ -n "$missing" ]; then
        say "installing Debian packages:$missing"
        [ -z "$sudo" ] || command -v sudo >/dev/null || die "root or sudo is needed to install:$missing"
        $sudo apt-get update -qq >&2
        # shellcheck disable=SC2086
        $sudo apt-get install -y -qq --no-install-recommends $missing >"${TMPDIR:-/tmp}/bert-wasm-apt.$$" 2>&1 || {
            tail -n 20 "${TMPDIR:-/tmp}/bert-wasm-apt.$$" >&2
            die "apt-get could not install:$missing"
        }
        rm -f "${TMPDIR:-/tmp}/bert-wasm-apt.$$"
    fi
    # Tests of the page are quicker with it; without, they run in the whole browser.
    if ! is_installed chromium-headless-shell; then
        { ${sudo:+sudo -n} apt-get update -qq &&
            ${sudo:+sudo -n} apt-get install -y -qq --no-install-recommends chromium-headless-shell; } >/dev/null 2>&1 ||
            say 'chromium-headless-shell could not be installed: tests of the page take longer'
    fi
else
    missing=
    for tool in make cc clang protoc-c valgrind; do
        command -v "$tool" >/dev/null || missing="$missing $tool"
    done
    for header in protobuf-c/protobuf-c.h onnx/onnx.proto cjson/cJSON.h openssl/evp.h simde/wasm/simd128.h; do
        found=
        for dir in /usr/include /usr/local/include /opt/homebrew/include; do
            if [ -e "$dir/$header" ]; then found=1; fi
        done
        [ -n "$found" ] || missing="$missing $header"
    done
    [ -z "$missing" ] || die "this system is not Debian 12, so nothing was installed. Missing:$missing
  Install: make, a C11 compiler and clang (with its sanitizer runtime), valgrind, protobuf-c (library and
  protoc-c), the ONNX protobuf definition (onnx/onnx.proto), cJSON, OpenSSL (libcrypto), SIMDe, Chromium,
  Firefox, WebKitGTK's MiniBrowser and Xvfb (of the engines, those that are missing are not tested),
  and Emscripten >= 3.1.60. Their names on Debian: $(echo $packages)"
fi

# --- 3. Emscripten -----------------------------------------------------------------------------

emcc_is_good() {
    "$1" --version 2>/dev/null | head -n 1 | awk '
        { for (i = 1; i <= NF; i++) if ($i ~ /^[0-9]+\.[0-9]+\.[0-9]+/) { split($i, v, "."); exit } }
        END { exit !(v[1] > 3 || (v[1] == 3 && (v[2] > 1 || (v[2] == 1 && v[3] + 0 >= 60)))) }'
}

unpack_emscripten() {
    say "unpacking Emscripten from Debian 13 into $emscripten (about 250 MB to download)"
    root=$emscripten/root
    rm -rf "$emscripten"
    mkdir -p "$root" "$emscripten/apt/lists/partial" "$emscripten/apt/cache/archives/partial" "$emscripten/debs"

    # The mirror is the one this system uses; apt's own lists and state stay as they are.
    mirror=$(apt-get indextargets --format '$(SITE) $(RELEASE)' 'Created-By: Packages' |
        awk '$2 == "bookworm" { print $1; exit }')
    [ -n "$mirror" ] || die "no Debian 12 mirror found in apt's configuration"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror trixie main" >"$emscripten/apt/trixie.list"
    set -- -qq -o "Dir::Etc::sourcelist=$emscripten/apt/trixie.list" -o Dir::Etc::sourceparts=- \
        -o "Dir::State::Lists=$emscripten/apt/lists" -o "Dir::Cache=$emscripten/apt/cache" \
        -o APT::Sandbox::User=root
    apt-get "$@" update >&2
    (cd "$emscripten/debs" && apt-get "$@" download emscripten/trixie binaryen/trixie libc6/trixie \
        libstdc++6/trixie libgcc-s1/trixie gcc-14-base/trixie >&2)
    for deb in "$emscripten"/debs/*.deb; do dpkg -x "$deb" "$root"; done

    # Binaryen's programs need Debian 13's C library beside them.
    loader=$(find "$root"/usr/lib* -name 'ld-linux-*.so.*' | head -n 1)
    libraries=$(dirname "$(find "$root/usr/lib" -name 'libstdc++.so.6' | head -n 1)")
    mkdir -p "$emscripten/binaryen/bin"
    for tool in wasm-opt wasm-emscripten-finalize wasm-metadce wasm2js wasm-ctor-eval wasm-split wasm-dis wasm-as; do
        printf '#!/bin/sh\nexec %s --library-path %s %s "$@"\n' \
            "$loader" "$libraries" "$root/usr/bin/$tool" >"$emscripten/binaryen/bin/$tool"
        chmod +x "$emscripten/binaryen/bin/$tool"
    done
    sed -e "s|^LLVM_ROOT.*|LLVM_ROOT = '/usr/bin'|" -e "s|^BINARYEN_ROOT.*|BINARYEN_ROOT = '$emscripten/binaryen'|" \
        "$root/usr/share/emscripten/.emscripten" >"$emscripten/config"
    printf '#!/bin/sh\nEM_CONFIG=%s exec %s "$@"\n' \
        "$emscripten/config" "$root/usr/share/emscripten/emcc" >"$emscripten/emcc"
    chmod +x "$emscripten/emcc"
    rm -rf "$emscripten/debs" "$emscripten/apt"
    emcc_is_good "$emscripten/emcc" || die "the unpacked Emscripten does not run: remove $emscripten and try again"
    touch "$emscripten/complete"
}

if ! emcc_is_good emcc && [ ! -e "$emscripten/complete" ]; then
    is_debian_12 || die "Emscripten >= 3.1.60 is needed: put its emcc on PATH (for example by emsdk)"
    unpack_emscripten
fi

# --- 4. sources for convert.wasm ----------------------------------------------------------------

sources=$cache/sources
# Name and version. A security update of Debian's takes the place of the version before it.
source_packages="protobuf-c=1.4.1-1 cjson=1.7.15-1+deb12u4 libmd=1.0.4-2"

# Unpacked by us, of these versions; elsewhere than on Debian 12, by the user.
sources_are_there() {
    for file in protobuf-c/protobuf-c/protobuf-c.c cjson/cJSON.c libmd/src/sha2.c; do
        [ -e "$sources/$file" ] || return 1
    done
    ! is_debian_12 || [ "$(cat "$sources/versions" 2>/dev/null)" = "$source_packages" ]
}

unpack_sources() {
    say "unpacking the sources of $source_packages into $sources"
    rm -rf "$sources"
    mkdir -p "$sources/apt/lists/partial" "$sources/apt/cache/archives/partial"

    # The mirrors are those this system uses; its own lists of sources stay as they are.
    apt-get indextargets --format '$(SITE) $(RELEASE)' 'Created-By: Packages' |
        awk '$2 ~ /^bookworm(-security)?$/ {
            print "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] " $1 " " $2 " main" }' |
        sort -u >"$sources/apt/sources.list"
    [ -s "$sources/apt/sources.list" ] || die "no Debian 12 mirror found in apt's configuration"
    set -- -qq -o "Dir::Etc::sourcelist=$sources/apt/sources.list" -o Dir::Etc::sourceparts=- \
        -o "Dir::State::Lists=$sources/apt/lists" -o "Dir::Cache=$sources/apt/cache" \
        -o APT::Sandbox::User=root
    apt-get "$@" update >&2
    # shellcheck disable=SC2086
    (cd "$sources" && apt-get "$@" source $source_packages >apt/log 2>&1) || {
        tail -n 20 "$sources/apt/log" >&2
        die "apt-get could not get the sources of $source_packages"
    }
    for package in $source_packages; do
        mv "$sources/${package%%=*}"-*/ "$sources/${package%%=*}"
        rm "$sources/${package%%=*}"_*
    done
    rm -rf "$sources/apt"
    echo "$source_packages" >"$sources/versions"
    sources_are_there || die "the sources of $source_packages are not as expected: see $sources"
}

if ! sources_are_there; then
    is_debian_12 || die "the sources of protobuf-c 1.4, cJSON 1.7 and libmd 1.0 are needed for convert.wasm:
  unpack them as $sources/protobuf-c, $sources/cjson and $sources/libmd (https://github.com/protobuf-c/protobuf-c,
  https://github.com/DaveGamble/cJSON, https://www.hadrons.org/software/libmd)"
    unpack_sources
fi

# --- 5. npm packages ---------------------------------------------------------------------------

# npm writes node_modules/.package-lock.json when it is done: older than our lock file means stale.
if [ ! -e node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
    say "installing npm packages"
    npm ci --silent --no-fund --no-audit --ignore-scripts >&2
    touch node_modules/.package-lock.json
fi
