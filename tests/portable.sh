#!/usr/bin/env bash
# Runs on other kinds of machine what must not depend on the machine: the pinned fingerprints, and the tests of
# the contract (its golden bytes among them) and of the kernel. A machine whose tools are missing is left out, with
# what to install; a difference is a failure.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

missing() { # Rust's name of the machine, the name of its C tools, the emulator, the package of its C library
    [ -d "$(rustc --print target-libdir --target "$1")" ] || echo "rustup target add $1"
    command -v "$2-gcc" >/dev/null || echo "apt-get install gcc-$2"
    [ -d "/usr/$2/lib" ] || echo "apt-get install libc6-dev-$4-cross"
    command -v "$3" >/dev/null || echo "apt-get install qemu-user"
}

ran=0
on() { # the same, and what is special about the machine
    local lacks variable
    lacks=$(missing "$@")
    if [ -n "$lacks" ]; then
        printf 'skipped: %s (%s), since tools are missing:\n%s\n' "$1" "$5" "$lacks"
        return
    fi
    variable=CARGO_TARGET_$(tr 'a-z-' 'A-Z_' <<<"$1")
    export "${variable}_LINKER=$2-gcc" "${variable}_RUNNER=$3 -L /usr/$2"
    printf 'running on %s (%s)\n' "$1" "$5"
    cargo test --quiet --locked --target "$1" -p stormproof-contract -p stormproof-kernel --tests --lib
    cargo test --quiet --locked --target "$1" -p stormproof-tests --test determinism fingerprints
    ran=$((ran + 1))
}

on i686-unknown-linux-gnu i686-linux-gnu qemu-i386 i386 "32-bit, little-endian"
on s390x-unknown-linux-gnu s390x-linux-gnu qemu-s390x s390x "64-bit, big-endian"
echo "$ran of 2 machines ran; no difference"
