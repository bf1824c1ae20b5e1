#!/bin/sh
# Builds the kernels. `build.sh` rewrites src/wasm/kernels.generated.ts, `build.sh OUT.wasm` only the module.
# The committed bytes come from clang and lld 14.0.6 (Debian 12: apt-get install clang lld).
set -eu
cd "$(dirname "$0")"
out="${1:-$(mktemp)}"
clang --target=wasm32 -std=c11 -O3 -Wall -Wextra -Werror -ffreestanding -nostdlib \
  -msimd128 -mbulk-memory -fno-strict-aliasing -g0 \
  -Wl,--no-entry -Wl,--import-memory -Wl,--stack-first -Wl,-z,stack-size=65536 -Wl,--strip-all -Wl,--export=__heap_base \
  -o "$out" blake3.c okvs.c gf128.c vole.c join.c cot.c stream.c sorted.c sha256.c records.c lattice.c
[ $# -gt 0 ] && exit
{
  echo "/** Built by packages/crypto/wasm/build.sh from the C sources beside it; not to be edited. @module */"
  echo "export const KERNELS_WASM = '$(base64 -w0 "$out")';"
} >../src/wasm/kernels.generated.ts
rm "$out"
