#!/bin/sh
# Builds the kernels of the checks of products and ANDs. `build-check.sh` rewrites src/rep3-malicious/kernels.generated.ts,
# `build-check.sh OUT.wasm` only the module. The committed bytes come from clang and lld 14.0.6 (Debian 12).
set -eu
cd "$(dirname "$0")"
out="${1:-$(mktemp)}"
clang --target=wasm32 -std=c11 -O3 -Wall -Wextra -Werror -ffreestanding -nostdlib \
  -msimd128 -mbulk-memory -fno-strict-aliasing -fno-vectorize -fno-slp-vectorize -g0 \
  -Wl,--no-entry -Wl,--import-memory -Wl,--stack-first -Wl,-z,stack-size=65536 -Wl,--strip-all -Wl,--export=__heap_base \
  -o "$out" check.c
[ $# -gt 0 ] && exit
{
  echo "/** Built by packages/mpc/wasm/build-check.sh from the C source beside it; not to be edited. @module */"
  echo "export const CHECK_WASM ="
  echo "  '$(base64 -w0 "$out")';"
} >../src/rep3-malicious/kernels.generated.ts
rm "$out"
