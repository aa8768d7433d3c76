#!/usr/bin/env bash
# test_generate.sh LATHE -- programs of language models go on with a text: in chunks of any size, with any number of threads.
set -euo pipefail
lathe=$(realpath "$1")
here=$(cd "$(dirname "$0")" && pwd)
corpus=${LATHE_CORPUS:-$here/../../shared/corpus}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

fail() { echo "FAIL $*"; exit 1; }

# expect STATUS TEXT COMMAND...
expect() {
  local status=$1 text=$2 said=0
  shift 2
  out=$("$@" 2>&1) || said=$?
  [ "$said" = "$status" ] || fail "status $said instead of $status: $*: $out"
  case $out in *"$text"*) ;; *) fail "says nothing of '$text': $*: $out" ;; esac
}

# a folder of Hugging Face's, without words: tokens in, tokens out
"$lathe" build "$here/lm/llama" -o model -q 2>/dev/null
expect 0 "" ./model --ids 3,1,4,1,5,9,2,6 -n 30 -t 1
whole=$out
[ "$(tr ',' '\n' <<<"$whole" | wc -l)" -le 30 ] || fail "more tokens than asked for: $whole"
for chunk in 1 3 5 64; do
  expect 0 "" ./model --ids 3,1,4,1,5,9,2,6 -n 30 -t 2 --chunk $chunk
  [ "$out" = "$whole" ] || fail "in chunks of $chunk it goes on otherwise: $out, and not $whole"
done
# caches of several types: the program is made for each, and has a usual one
"$lathe" build "$here/lm/llama" -o caches -q --kv f32,bf16,f32 --cpu x86-64-v3,x86-64-v2 2>/dev/null
expect 0 "$whole" ./caches --ids 3,1,4,1,5,9,2,6 -n 30
expect 0 "$whole" ./caches --ids 3,1,4,1,5,9,2,6 -n 30 --kv f32 --cpu x86-64-v2
expect 0 "," ./caches --ids 3,1,4,1,5,9,2,6 -n 30 --kv bf16
expect 0 "caches:  f32 bf16" ./caches --info
expect 0 "caches:  f32" ./model --info
expect 2 "--kv f16: this program keeps no caches in that" ./caches --ids 3 --kv f16
expect 2 "--kv f8: caches are kept in f32, f16 or bf16" "$lathe" build "$here/lm/llama" -o bad --kv f32,f8
expect 2 "has no caches of keys and values" "$lathe" build "$here/lm/bert" -o bad --kv f16
expect 0 "caches f16" "$lathe" build "$here/lm/llama" -o fast --numerics fast
expect 0 "agree" "$lathe" verify "$here/lm/llama" --kv bf16 -d rows=1 -d outputs=1 --random 6
expect 0 "$whole" ./model --ids=3,1,4,1,5,9,2,6 --tokens=30 --temp 0
expect 0 "the context of 12 tokens is full" ./model --ids 3,1,4,1,5,9,2,6 -n 30 -c 12
expect 1 "the prompt is 8 tokens long, and the context holds 5" ./model --ids 3,1,4,1,5,9,2,6 -c 5
expect 1 "no vocabulary" ./model -p "Once upon a time"
expect 1 "tokens with commas between" ./model --ids 3,x
expect 1 "built for 64" ./model --ids 3 -c 65
expect 2 "a number from 1" ./model --ids 3 --chunk 0
expect 2 "likeliest" ./model --ids 3 --temp 0.7
expect 0 "goes on with a text" ./model --help
expect 2 "needs a value: N" ./model -n
expect 2 "takes no value" ./model --info=1
expect 2 "given twice: \`3\` and \`4\`" ./model --ids 3 --ids 4

# the arrays of the function are there, too
expect 0 "logits: f32[4,67]" ./model --random 1

if [ ! -f "$corpus/stories260k/stories260K.gguf" ]; then
  echo "skip stories260k: it is not there (LATHE_CORPUS)"
  exit 0
fi

# a trained model tells what the original program told
"$lathe" build "$corpus/stories260k/stories260K.gguf" -o stories -q
for threads in 1 2; do
  ./stories --temp 0 -n 200 -t $threads >said
  cmp said "$corpus/stories260k/greedy.txt" || fail "with $threads threads the story is another"
done
expect 0 "" ./stories --ids 1 -n 200
rest=$(cut -d, -f100-200 <<<"$out") prompt=1,$(cut -d, -f1-99 <<<"$out")
for chunk in 1 7 64; do
  expect 0 "" ./stories --ids "$prompt" -n 101 --chunk $chunk
  [ "$out" = "$rest" ] || fail "the story goes on otherwise in chunks of $chunk"
done
expect 0 "Max" ./stories -p "Tom and his dog" -n 40
