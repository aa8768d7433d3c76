#!/usr/bin/env bash
# test_tales.sh LATHE -- the models of examples/tales go on as transformers does with them (made by tests/oracles/make_tales_references.py).
set -euo pipefail
lathe=$(realpath "$1")
here=$(cd "$(dirname "$0")" && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

fail() { echo "FAIL $*"; exit 1; }

for model in tales tales/draft; do
  "$lathe" build "$here/../examples/$model" -o "${model/\//_}" -q
done
lines=0
while read -r model prompt want; do
  n=$(tr ',' '\n' <<<"$want" | wc -l)
  got=$("./${model/\//_}" --ids "$prompt" -n "$n" --temp 0)
  [ "$got" = "$want" ] || fail "$model, behind $prompt: $got, and not $want"
  lines=$((lines + 1))
done <"$here/tales/greedy.txt"
[ "$lines" = 20 ] || fail "$lines lines instead of 20"
