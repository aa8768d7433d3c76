#!/usr/bin/env bash
# build.sh [LATHE [FOLDER]] -- compiles two models into libraries, and a C program with both of them; runs it.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
lathe=${1:-$here/../../build/release/lathe}
out=${2:-$here/../../build/library}
mkdir -p "$out"

# a static library, a shared one, decoder.h, and decoder.weights
"$lathe" build "$here/../model/decoder.onnx" --emit lib -o "$out/decoder"
# an object, and best.h
"$lathe" build "$here/best.ir" --emit obj -o "$out/best.o"

cd "$out"
${CC:-cc} -O2 -Wall -Wextra ${CFLAGS:-} -I . "$here/generate.c" best.o libdecoder.a -pthread -o generate
./generate decoder.weights
