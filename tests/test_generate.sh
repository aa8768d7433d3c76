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
expect 0 "" ./model --temp 0 --ids 3,1,4,1,5,9,2,6 -n 30 -t 1
whole=$out
[ "$(tr ',' '\n' <<<"$whole" | wc -l)" -le 30 ] || fail "more tokens than asked for: $whole"
for chunk in 1 3 5 64; do
  expect 0 "" ./model --temp 0 --ids 3,1,4,1,5,9,2,6 -n 30 -t 2 --chunk $chunk
  [ "$out" = "$whole" ] || fail "in chunks of $chunk it goes on otherwise: $out, and not $whole"
done
# caches of several types: the program is made for each, and has a usual one
"$lathe" build "$here/lm/llama" -o caches -q --kv f32,bf16,f32 --cpu x86-64-v3,x86-64-v2 2>/dev/null
expect 0 "$whole" ./caches --ids 3,1,4,1,5,9,2,6 -n 30 --temp 0
expect 0 "$whole" ./caches --ids 3,1,4,1,5,9,2,6 -n 30 --temp 0 --kv f32 --cpu x86-64-v2
expect 0 "," ./caches --ids 3,1,4,1,5,9,2,6 -n 30 --temp 0 --kv bf16
expect 0 "caches:  f32 bf16" ./caches --info
expect 0 "caches:  f32" ./model --info
expect 2 "--kv f16: this program keeps no caches in that" ./caches --ids 3 --kv f16
expect 2 "--kv f8: caches are kept in f32, f16 or bf16" "$lathe" build "$here/lm/llama" -o bad --kv f32,f8
expect 2 "has no caches of keys and values" "$lathe" build "$here/lm/bert" -o bad --kv f16
expect 0 "caches f16" "$lathe" build "$here/lm/llama" -o fast --numerics fast
expect 0 "agree" "$lathe" verify "$here/lm/llama" --kv bf16 -d rows=1 -d outputs=1 --random 6
expect 0 "$whole" ./model --ids=3,1,4,1,5,9,2,6 --tokens=30 --temp 0
expect 0 "the context of 12 tokens is full" ./model --temp 0 --ids 3,1,4,1,5,9,2,6 -n 30 -c 12
expect 1 "the prompt is 8 tokens long, and the context holds 5" ./model --ids 3,1,4,1,5,9,2,6 -c 5
expect 1 "no vocabulary" ./model -p "Once upon a time"
expect 1 "tokens with commas between" ./model --ids 3,x
expect 1 "built for 64" ./model --ids 3 -c 65
expect 2 "a number from 1" ./model --ids 3 --chunk 0
expect 2 "from 0 to 1000, and not \`warm\`" ./model --ids 3 --temp warm
expect 0 "goes on with texts" ./model --help
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
expect 0 "" ./stories --temp 0 --ids 1 -n 200
rest=$(cut -d, -f100-200 <<<"$out") prompt=1,$(cut -d, -f1-99 <<<"$out")
for chunk in 1 7 64; do
  expect 0 "" ./stories --temp 0 --ids "$prompt" -n 101 --chunk $chunk
  [ "$out" = "$rest" ] || fail "the story goes on otherwise in chunks of $chunk"
done
expect 0 "Max" ./stories --temp 0 -p "Tom and his dog" -n 40

# what is asked of text: where it ends, what it is written as, where it goes on
expect 0 ", there was" ./stories --temp 0 -p "Once upon a time" -n 40 --stop " a little"
[ "$out" = ", there was" ] || fail "it does not end before a stop: $out"
expect 0 "1,403,407,261,378" ./stories --tokenize -p "Once upon a time"
expect 0 "Once upon a time" ./stories --detokenize --ids 1,403,407,261,378
printf 'Once upon a time' | ./stories -f - --temp 0 -n 20 >piped
./stories -p "Once upon a time" --temp 0 -n 20 | cmp - piped || fail "a prompt from a pipe is another"
./stories -p "Once" -n 60 -s 5 -t 1 >one && ./stories -p "Once" -n 60 -s 5 -t 2 | cmp one - || fail "a seed gives another text with two threads"
./stories -p "Once" -n 60 -s 6 | cmp -s one - && fail "another seed gives the same text"
expect 0 '"reason":"length","prompt_tokens":5,"tokens":3' ./stories -p "Once upon a time" -n 3 --temp 0 --json --logprobs 2
expect 0 '"top":[{"id":432' ./stories -p "Once upon a time" -n 3 --temp 0 --json --logprobs 2
expect 2 "goes with --json" ./stories --logprobs 2
expect 2 "one of them is the prompt" ./stories -p a -f b
expect 2 "one of them is the prompt" ./stories -p a --ids 1
expect 2 "--stop" ./stories -p a --stop ""
expect 2 "--ids gives the tokens" ./stories --detokenize
expect 1 "no such file" ./stories -f missing
expect 1 "no token 512" ./stories --ids 512
expect 0 "" ./stories -p "$(printf 'a\xff\xc3')" -n 3 --temp 0
expect 1 "tokens long, and the context holds 2048" ./stories -f "$corpus/text/wikitext-2.valid.txt"

./stories -p "Once upon a time" -n 30 --temp 0 --save-state state >begun
./stories --load-state state -n 30 --temp 0 >rest
[ "$(cat begun)$(cat rest)" = "$(./stories -p "Once upon a time" -n 60 --temp 0)" ] || fail "a saved state goes on otherwise"
for n in 0 7 40 4096 20000 $(($(stat -c %s state) - 1)); do
  head -c "$n" state >cut
  expect 1 "cut: it is" ./stories --load-state cut
done
for at in 3 12 100 9000 43000; do
  cp state bad && printf '\377' | dd of=bad bs=1 seek=$at conv=notrunc 2>/dev/null
  expect 1 "bad: " ./stories --load-state bad
done
"$lathe" build "$corpus/stories260k/stories260K.gguf" -o other -d context=100 -q
expect 1 "another program saved it" ./other --load-state state
expect 74 "it cannot be written" ./stories -n 1 --save-state none/state
[ ! -e state.part ] || fail "a saved state leaves litter"

# perplexity as the mean over windows of what --logprobs tells; a bench that has its columns
expect 0 "(63 of 202 tokens, in windows of 128)" ./stories --perplexity "$corpus/stories260k/greedy.txt" -c 128
expect 0 '"window":128}' ./stories --perplexity "$corpus/stories260k/greedy.txt" -c 128 --json
expect 1 "at least 2 are needed" ./stories --perplexity /dev/null
expect 0 "| tg4 @ d8" ./stories --bench --bench-prompt 8 --bench-tokens 4 --bench-depth 8 --repeat 2
expect 0 '"n_prompt":8,"n_gen":0,"n_depth":0' ./stories --bench --bench-prompt 8 --bench-tokens 0 --repeat 2 --json
expect 1 "do not fit the context" ./stories --bench --bench-depth 2040
