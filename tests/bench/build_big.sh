#!/usr/bin/env bash
# build_big.sh LATHE [FOLDER] -- how long a decoder of a billion bf16 parameters takes to build, and how much memory.
#
# In turns, five times after once that does not count: its weights are copied (`cp` and `sync`), and it is built; the source
# is warm, and what was written before is gone. A build may take 1.3 times as long as the copy, and 2 s more, and 300 MB of
# anonymous memory; else the exit status is 1. FOLDER (a temporary one) takes 7 GB; the model that it is left with is used again.
set -euo pipefail
lathe=$(realpath "$1")
here=$(cd "$(dirname "$0")" && pwd)
if [ $# -gt 1 ]; then
  mkdir -p "$2"
  folder=$(realpath "$2")
else
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
fi
cd "$folder"
[ -e model.onnx ] || python3 "$here/make_decoder.py" .
cat model.data >/dev/null

seconds() { # of a command
  rm -f copy program
  sync
  local start
  start=$(date +%s%N)
  "$@" >&2
  echo $((($(date +%s%N) - start) / 1000000))
}
median() { tr ' ' '\n' <<<"$*" | sort -n | sed -n "$((($# + 1) / 2))p"; }
copy() { cp model.data copy && sync; }
build() { "$lathe" build model.onnx -o program -q; }

seconds copy >/dev/null
seconds build >/dev/null
copies=() builds=()
for _ in 1 2 3 4 5; do
  copies+=("$(seconds copy)")
  builds+=("$(seconds build)")
  echo "copy ${copies[-1]} ms, build ${builds[-1]} ms"
done

# All that the build and its linker hold of their own, looked at a hundred times a second.
"$lathe" build model.onnx -o program -q &
peak=0
while kill -0 $! 2>/dev/null; do
  now=0
  for status in /proc/$!/status $(sed 's|[0-9]*|/proc/&/status|g' "/proc/$!/task/$!/children" 2>/dev/null); do
    kb=$(awk '$1 == "RssAnon:" { print $2 }' "$status" 2>/dev/null) || continue
    now=$((now + ${kb:-0}))
  done
  [ $now -le $peak ] || peak=$now
  sleep 0.01
done
rm -f copy program

copied=$(median "${copies[@]}") built=$(median "${builds[@]}")
allowed=$((copied * 13 / 10 + 2000))
echo "median: copy $copied ms, build $built ms (at most $allowed), $((peak / 1000)) MB of anonymous memory (at most 300)"
[ "$built" -le $allowed ] && [ $peak -le 300000 ]
