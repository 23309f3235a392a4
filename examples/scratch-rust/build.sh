#!/bin/sh
# Compiles server.rs into ./server, a static program for linux/amd64, which the Dockerfile copies into an empty image.
# Needs Linux on x86-64 with rustc and a C linker.
set -eu
cd "$(dirname "$0")"

host=$(uname -sm)
if [ "$host" != "Linux x86_64" ]; then
    echo "build.sh: this is $host; the program must be compiled on Linux x86_64" >&2
    exit 1
fi

# Aborting panics and no symbols keep it small.
rustc --edition 2024 -C target-feature=+crt-static -C opt-level=2 -C panic=abort -C strip=symbols -o server server.rs
echo "built ./server"
