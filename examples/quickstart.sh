#!/usr/bin/env bash
# quickstart.sh -- installs what is missing, builds Lathe, compiles small models into programs, and runs them.
set -euo pipefail
cd "$(dirname "$0")/.."
. tests/setup.sh

# shellcheck disable=SC2086
need_packages $build_packages
build release
lathe=build/release/lathe
model=examples/model/decoder.onnx
ids=examples/model/input_ids.npy

say "a language model becomes a program: lathe build examples/tales -o build/tales"
$lathe build examples/tales -o build/tales
ls -l build/tales

say "it tells a tale: build/tales -p 'Once upon a time'"
printf 'Once upon a time'
build/tales -p 'Once upon a time' -n 200

say "what another model holds, of ONNX: lathe inspect $model"
$lathe inspect $model | sed -n '1,/^nodes/p'

say "a few lines of the program that it is: lathe ir $model --pipeline default"
$lathe ir $model --pipeline default | sed -n '/^func/,$p' | grep -v ' = const ' | sed -n 1,16p

say "compiled into one file: lathe build $model --cache off -o build/decoder"
$lathe build $model --cache off -o build/decoder
ls -l build/decoder

say "run: build/decoder --in input_ids=$ids"
build/decoder --in input_ids=$ids

say "as a C library, in a program with another model: examples/library/build.sh"
examples/library/build.sh $lathe build/library
sed -n '/typedef struct decoder_inputs/,/} decoder_outputs/p' build/library/decoder.h

say "the same by the reference semantics: lathe eval $model --in input_ids=$ids"
$lathe eval $model --in input_ids=$ids

say "done; \`build/tales --help\` and \`$lathe help\` explain themselves, docs/README.md says where to read on"
