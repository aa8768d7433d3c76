#!/usr/bin/env bash
# test_bench.sh BENCH -- the figures that the benchmarks print have all that docs/benchmarks.md says, and make sense; a tiny
# program starts, runs and ends in 5 ms.
set -uo pipefail
cd "$(dirname "$0")/.."
bench=$1
bad=0
fail() { echo "FAIL $*"; bad=1; }

number='-?[0-9.]+(e[-+][0-9]+)?'
or_null="($number|null)"
line='^\{"name":"[a-z0-9_.]+","shape":"[0-9a-z]+","dtype":"[a-z0-9]+","numerics":"(exact|fast)","threads":[0-9]+'
line+=",\"value\":$number,\"unit\":\"(GFLOP/s|GOP/s|GB/s|ms|tok/s)\",\"of_roofline\":$or_null,\"p10\":$number,\"p90\":$number"
line+=",\"peer\":(null|\\{.*\\}),\"of_peer\":$or_null\\}\$"

# figures N ARGUMENTS...: it prints so many lines, each a whole figure
figures() {
  local n=$1
  shift
  said=$("$bench" "$@" --json 2>&1) || fail "bench $*: ended with $?: $said"
  [ "$(grep -cE "$line" <<<"$said")" = "$n" ] || fail "bench $*: not $n figures: $said"
}

field() { sed -n "s/.*\"$1\":\([^,]*\),.*/\1/p" <<<"$said"; }

figures 1 matmul -t 1 --shape 48x64x64 --dtype f32
awk -v r="$(field of_roofline)" 'BEGIN { exit !(r > 0.01 && r < 1.5) }' || fail "a product makes $(field of_roofline) of the roofline"
figures 3 attention -t 1 --shape 4x2x16x32x32 --dtype f32

model=$(mktemp -d)
trap 'rm -rf "$model"' EXIT
cp tests/lm/llama/model.safetensors "$model"
sed 's/"max_position_embeddings": [0-9]*/"max_position_embeddings": 8192/' tests/lm/llama/config.json >"$model/config.json"
figures 1 decode -t 2 --model "$model" --rounds 5
figures 1 prefill -t 1 --model "$model" --rounds 5
figures 1 depth -t 1 --model "$model" --rounds 5 --numerics fast
figures 1 startup -t 1
awk -v ms="$(field value)" 'BEGIN { exit !(ms > 0 && ms < 5) }' || fail "a tiny program takes $(field value) ms"
[[ $("$bench" matmul --shape 4x4 2>&1) == *"not of 3 sizes"* ]] || fail "a wrong shape is not refused"
[[ $("$bench" decode --shape none 2>&1) == *"there is no build/bench/lm_none_bf16.gguf"* ]] || fail "a model that is not there is not named"
"$bench" decode --rounds 0 >/dev/null && fail "no turns are taken"
[[ $("$bench" no-such-bench) == *"roofline  "* ]] || fail "the benches are not listed"
exit $bad
