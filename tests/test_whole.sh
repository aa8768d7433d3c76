#!/usr/bin/env bash
# test_whole.sh LATHE [COUNT] -- a build's output is whole or not there, and always the same.
#
# Builds are killed at COUNT random moments (10; 200 were tried by hand), meet a full disk, and run in other folders, locales
# and time zones and on other numbers of processors.
set -uo pipefail
lathe=$(realpath "$1")
count=${2:-10}
cd "$(dirname "$0")/.."
model=$PWD/examples/model
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
bad=0
fail() { echo "FAIL $*"; bad=1; }
build() { "$lathe" build "$model/decoder.onnx" --cache off --cpu x86-64-v3 -q "$@"; }

start=$(date +%s%N)
build -o good || { fail "it does not build"; exit 1; }
took=$((($(date +%s%N) - start) / 1000000))

# ---- killed ----
mkdir killed
for i in $(seq "$count"); do
  after=$((RANDOM * 32768 + RANDOM))
  after=$((after % (took + took / 4 + 1)))
  (build -o killed/out & pid=$!; sleep "$((after / 1000)).$(printf %03d $((after % 1000)))"; kill -KILL $pid 2>/dev/null; wait $pid) 2>/dev/null
  [ ! -e killed/out ] || cmp -s killed/out good || fail "half a file when killed after $after ms"
  [ $((i % 10)) = 0 ] || continue
  build -o killed/out && cmp killed/out good || fail "no build after $i that were killed"
  [ "$(ls -A killed)" = out ] || fail "litter: $(ls -A killed)"
  rm killed/out
done

# ---- the disk full: full STATUS FOLDER what is said: the message is one line, and nothing is left, or the old file ----
full() {
  [ "$1" = 74 ] || fail "a full disk is status $1: $3"
  [ "$(grep -c '^lathe: .*cannot write' <<<"$3")" = 1 ] && [ "$(wc -l <<<"$3")" = 1 ] || fail "a full disk is said as: $3"
  [ "$(ls -A "$2" | tr '\n' ' ')" = "old " ] && [ "$(cat "$2/old")" = old ] || fail "a full disk leaves $(ls -A "$2")"
}
size=$(stat -c %s good)
mkdir small
echo old >small/old
for blocks in 1 $((size / 2048)) $((size / 1024)); do # of 1024 bytes
  said=$( (ulimit -f "$blocks"; build -o small/out) 2>&1)
  full $? small "$said"
done
said=$( (ulimit -f 100; build -o small/old) 2>&1)
full $? small "$said"
# shellcheck disable=SC2016
in_full_folder='mount -t tmpfs -o size=$1 none small && echo old >small/old || exit 99
  said=$("$2" build "$3" --cache off --cpu x86-64-v3 -q -o small/out 2>&1); status=$?; echo "$said"; ls -A small | tr "\n" " "; exit $status'
for room in 64k $((size - 40000)); do
  said=$(unshare -rm sh -c "$in_full_folder" sh "$room" "$lathe" "$model/decoder.onnx" 2>&1)
  status=$?
  [ $status = 99 ] || grep -q "unshare" <<<"$said" && { echo "skip: no folder of $room can be made"; continue; }
  [ $status = 74 ] && grep -q "^lathe: .*cannot write: No space left" <<<"$said" && [ "$(tail -1 <<<"$said")" = "old " ] ||
    fail "a folder of $room: status $status: $said"
done

# ---- the same bytes ----
mkdir -p "a folder/deeper"
cp "$model/decoder.onnx" "a folder/deeper/"
(cd "a folder" && "$lathe" build deeper/decoder.onnx --cache off --cpu x86-64-v3 -q -o out) && cmp "a folder/out" good || fail "another folder makes another program"
for locale in C C.UTF-8 $(locale -a 2>/dev/null | grep -iE '^(de_DE|tr_TR|ar_)' | head -3); do
  LC_ALL=$locale LANG=$locale build -o out && cmp out good || fail "locale $locale makes another program"
done
for zone in UTC Pacific/Kiritimati America/St_Johns; do
  TZ=$zone build -o out && cmp out good || fail "time zone $zone makes another program"
done
taskset -c 0 true 2>/dev/null && { taskset -c 0 "$lathe" build "$model/decoder.onnx" --cache off --cpu x86-64-v3 -q -o out && cmp out good || fail "one processor makes another program"; }
if "$lathe" build --help | grep -q -e --jobs; then
  for n in 1 2 5; do build -j $n -o out && cmp out good || fail "-j $n makes another program"; done
fi
for umask in 022 077; do
  (umask $umask; build -o out)
  [ "$(stat -c %a out)" = "$(printf %o $((0777 & ~0$umask)))" ] || fail "umask $umask is not kept: $(stat -c %a out)"
done

[ $bad = 0 ] && echo "outputs are whole or not there: $count killed"
exit $bad
