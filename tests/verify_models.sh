#!/usr/bin/env bash
# verify_models.sh LATHE DIR... -- `lathe verify` on whole models, node by node, and on one that cannot agree.
set -uo pipefail
cd "$(dirname "$0")/.."
lathe=$1
shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0 skipped=0

fail() { echo "FAIL $*"; failed=$((failed + 1)); }

# expect STATUS TEXT ARGUMENTS...: runs `lathe verify`; what it says must contain the text.
expect() {
  local status=$1 text=$2 got
  shift 2
  "$lathe" verify "$@" >"$work/out" 2>&1
  got=$?
  if [ $got != "$status" ]; then fail "lathe verify $*: status $got instead of $status: $(tail -3 "$work/out")"
  elif ! grep -qF -- "$text" "$work/out"; then fail "lathe verify $*: does not say '$text': $(tail -3 "$work/out")"
  else passed=$((passed + 1)); fi
}

for dir in "$@"; do
  [ -e "$dir/model.onnx" ] || { skipped=$((skipped + 1)); continue; }
  sizes=()
  case $dir in *past*) sizes=(-d total=8) ;; esac # past + seq, which are 4 where nobody says
  expect 0 "agree with the reference" "$dir" --random 1 --each "${sizes[@]}"
  grep -qE '^[^ ]+ .*(max error|equal)' "$work/out" || fail "$dir: no node is named"
done

expect 0 "numerics fast"            tests/models/gpt2_torchscript --random 1 --each --numerics fast
expect 2 "it is exact or fast"      tests/models/gpt2_torchscript --random 1 --numerics none

# Both sides of the last difference are rounding alone, which is another one in compiled code.
cat >"$work/noise.ir" <<'IR'
lathe 1
func @main<n>(%x: f32[n]) -> (noise: f32[n]) {
  %one = const 1 : f32[]
  %two = const 2 : f32[]
  %a = tanh %x : f32[n] @"tanh"
  %b = mul %x, %two : f32[n] @"twice"
  %c = exp %b : f32[n] @"exp"
  %d = add %c, %one : f32[n] @"one_more"
  %e = div %two, %d : f32[n] @"quotient"
  %f = sub %one, %e : f32[n] @"as_tanh"
  %y = sub %a, %f : f32[n] @"noise"
  return %y
}
IR
expect 1 "noise: element"           "$work/noise.ir" --random 1 -d n=1000
expect 1 "1 of 1 differ"            "$work/noise.ir" --random 1 -d n=1000
expect 1 "first noise: element"     "$work/noise.ir" --random 1 -d n=1000 --each
expect 1 "is not given"             "$work/noise.ir"
expect 1 "there is no such level"   "$work/noise.ir" --random 1 --cpu z80
# Levels share a program, and what is packed in it.
if grep -qw avx512_bf16 /proc/cpuinfo; then
  expect 0 "x86-64-v3"              tests/models/bert_dynamo --random 1 --cpu x86-64-v3,x86-64-v4
fi
echo "$passed passed, $failed failed, $skipped skipped"
exit $((failed > 0))
