#!/usr/bin/env bash
# quickstart.sh -- installs what is missing, builds Lathe, and takes a small model through it.
set -euo pipefail
cd "$(dirname "$0")/.."
. tests/setup.sh

# shellcheck disable=SC2086
need_packages $build_packages
build release
lathe=build/release/lathe
model=examples/model/decoder.onnx

say "what the model holds: lathe inspect $model"
$lathe inspect $model | sed -n 1,20p

say "its first nodes after the default pipeline: lathe ir $model --pipeline default"
$lathe ir $model --pipeline default | grep -v '^const' | sed -n 1,24p

say "running it: lathe eval $model --in input_ids=examples/model/input_ids.npy"
$lathe eval $model --pipeline default --in input_ids=examples/model/input_ids.npy

say "done; \`$lathe help\` lists the commands, docs/README.md says where to read on"
