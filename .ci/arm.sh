#!/usr/bin/env bash
# Builds an aarch64 Python environment that runs on this x86-64 machine under user-mode QEMU: a folder laid out like a
# virtual environment, whose bin/python is a launcher. Default folder: .arm in the checkout; MILLIJOULE_ARM overrides it.
# Safe to run again: finished parts are kept, an interrupted part starts over. Needs a Debian-like system with apt and pip.
set -euo pipefail

checkout=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
arm=${MILLIJOULE_ARM:-$checkout/.arm}
# The compiler of the Python that compiles for it, so that both give the same code.
compiler=$("${PYTHON:-python3}" -c 'from importlib.metadata import version
for name in ("numba", "llvmlite"): print(f"{name}=={version(name)}")' 2>/dev/null | xargs) || true
packages=(numpy ${compiler:-numba llvmlite} safetensors msgspec click pytest hypothesis)
# The platform tags that wheels for Arm Linux carry, newest C library first.
platforms=(manylinux_2_28_aarch64 manylinux_2_27_aarch64 manylinux2014_aarch64 manylinux_2_17_aarch64)

say() { printf 'arm: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

need_apt() {
    command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || die "apt and dpkg are needed to fetch an Arm Python; use a Debian or Ubuntu machine"
}

install_qemu() {
    command -v qemu-aarch64-static >/dev/null && return
    need_apt
    say "installing qemu-user-static"
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends qemu-user-static
}

know_arm_packages() {
    if ! dpkg --print-foreign-architectures | grep -qx arm64; then
        as_root dpkg --add-architecture arm64
    fi
    if ! apt-cache show python3-minimal:arm64 >/dev/null 2>&1; then
        as_root apt-get update -qq
    fi
}

# Prints every arm64 package that the named ones need, themselves included.
closure() {
    apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances "$@" |
        grep -E '^[a-z0-9].*:arm64$' | grep -vE '^(dpkg|tar|install-info|debconf|media-types):' | sort -u
}

build_root() {
    [ -e "$arm/root/.complete" ] && return
    need_apt
    know_arm_packages
    local python part=$arm/root.part
    python=$(apt-cache depends python3-minimal:arm64 | sed -n 's/.*Depends: \(python3\.[0-9]*\)-minimal.*/\1/p' | head -n 1)
    [ -n "$python" ] || die "apt offers no python3 for arm64"
    say "unpacking Debian's $python for arm64"
    rm -rf "$part"
    mkdir -p "$part/usr/lib" "$arm/debs"
    # Newer releases link their program loader through /lib, which no package contains.
    ln -s usr/lib "$part/lib"
    (
        cd "$arm/debs"
        # As root, apt would hand downloads to a user who may not be allowed to write here.
        closure "$python:arm64" libstdc++6:arm64 | xargs apt-get -qq -o APT::Sandbox::User="$(id -un)" download
        for deb in *.deb; do dpkg-deb --extract "$deb" "$part"; done
    )
    printf '%s\n' "${python#python}" >"$part/.complete"
    rm -rf "$arm/root" "$arm/debs"
    mv "$part" "$arm/root"
}

build_site() {
    local version=$1 site=$arm/lib/python$1/site-packages wanted="${packages[*]}"
    [ "$(cat "$site/.complete" 2>/dev/null)" = "$wanted" ] && return
    say "installing $wanted for aarch64, Python $version"
    local part=$arm/site.part flags=()
    for platform in "${platforms[@]}"; do flags+=(--platform "$platform"); done
    rm -rf "$part"
    "${PYTHON:-python3}" -m pip install -q --disable-pip-version-check --no-compile --target "$part" --only-binary=:all: \
        --implementation cp --python-version "$version" "${flags[@]}" "${packages[@]}"
    rm -rf "$part/bin" "$site"
    mkdir -p "$(dirname "$site")"
    mv "$part" "$site"
    printf '%s\n' "$wanted" >"$site/.complete"
}

write_launcher() {
    local version=$1
    printf 'home = %s/root/usr/bin\ninclude-system-site-packages = false\nversion = %s\n' "$arm" "$version" >"$arm/pyvenv.cfg"
    mkdir -p "$arm/bin"
    # argv[0] is the launcher itself, so that sys.executable starts another emulated interpreter.
    cat >"$arm/bin/python.part" <<LAUNCHER
#!/bin/sh
here=\$(cd "\$(dirname "\$0")/.." && pwd)
export QEMU_CPU="\${QEMU_CPU:-cortex-a57}"
exec qemu-aarch64-static -0 "\$here/bin/python" -L "\$here/root" "\$here/root/usr/bin/python$version" "\$@"
LAUNCHER
    chmod +x "$arm/bin/python.part"
    mv "$arm/bin/python.part" "$arm/bin/python"
}

[ "$(uname -m)" = x86_64 ] || die "written for an x86-64 host; this one is $(uname -m)"
mkdir -p "$arm"
arm=$(cd "$arm" && pwd)
exec 9>"$arm/.lock"
flock 9

install_qemu
build_root
version=$(cat "$arm/root/.complete")
build_site "$version"
write_launcher "$version"
QEMU_CPU=cortex-a57 "$arm/bin/python" -c 'import platform, numpy
assert platform.machine() == "aarch64", platform.machine()
assert (numpy.arange(5) @ numpy.arange(5)) == 30' || die "the emulated Python does not run"
say "ready: $checkout/.ci/arm-python (in $arm)"
