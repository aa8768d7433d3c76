#!/bin/sh
# import_big.sh LATHE -- models of gigabytes are imported in under a second and in under 100 MB of anonymous memory.
#
# RLIMIT_DATA counts private memory that can be written, and not mapped files; the first run warms the files up.
set -eu
lathe=$1
here=$(cd "$(dirname "$0")" && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 "$here/../oracles/make_big_models.py" "$folder"
for model in "$folder/external/model.onnx" "$folder/inline.onnx"; do
  "$lathe" inspect "$model" >"$folder/out"
  (ulimit -d 102400 && timeout 1 "$lathe" inspect "$model" >"$folder/out") && echo "ok: $(basename "$(dirname "$model")")/$(basename "$model")"
done
