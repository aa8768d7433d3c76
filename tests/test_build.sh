#!/usr/bin/env bash
# test_build.sh LATHE -- `lathe build` and what it makes, as a person meets them: outputs, messages, damage.
. "$(dirname "$0")/command.sh" "$1"
example=$root/examples/model
small="--cpu x86-64-v3" # for programs of which one level is enough

# a model becomes a program, whose output is the one that was computed elsewhere
expect 0 "numerics exact" "$lathe" build "$example/decoder.onnx" --cache off -o decoder -j 3
expect 0 "input_ids" ./decoder --help
expect 0 "x86-64-v3 x86-64-v4" ./decoder --info
expect 0 "whole" ./decoder --check
expect 0 "" ./decoder --in "input_ids=$example/input_ids.npy" --out-dir one -t 1
expect 0 "" ./decoder -i "input_ids=$example/input_ids.npy" -o two --threads=2
expect 0 "" ./decoder -i "input_ids=$example/input_ids.npy" -o three -t 3 --repeat 50
cmp one/logits.npy two/logits.npy && cmp one/logits.npy three/logits.npy || fail "threads change the output"
expect 0 "logits: f32[1,4,128]" ./decoder --random 1
expect 0 "logits: f32[1,7,128]" ./decoder --random 1 --dim=seq=7

# a level is the same in a program of several and in one of its own
for level in x86-64-v3 x86-64-v4; do
  if ./decoder -i "input_ids=$example/input_ids.npy" -o "$level" --cpu "$level" 2>/dev/null; then
    "$lathe" build "$example/decoder.onnx" --cache off -o alone -q --cpu "$level"
    ./alone -i "input_ids=$example/input_ids.npy" -o "alone-$level"
    cmp "$level/logits.npy" "alone-$level/logits.npy" || fail "$level is another in a program of its own"
  fi
done
expect 2 "no such level" ./decoder --random 1 --cpu i386
expect 0 "native" "$lathe" help build
expect 0 "for x86-64-v3, numerics" "$lathe" build "$example/decoder.onnx" --cache off -o one-level --cpu x86-64-v3

# numerics: what was chosen is said, and is rounded where it may be
expect 0 "x86-64-v4-bf16, numerics fast" "$lathe" build "$example/decoder.onnx" --cache off -o fast --numerics fast
expect 0 "logits: f32[1,4,128]" ./fast --random 1
expect 2 "it is exact or fast" "$lathe" build "$example/decoder.onnx" --cache off -o fast --numerics quick
expect 0 "" "$lathe" build "$example/decoder.onnx" --cache off -o fast.ir --emit ir --numerics fast --cpu x86-64-v3,x86-64-v4-bf16
grep -q 'numerics fast target "x86-64-v4-bf16"' fast.ir && grep -q 'dot2' fast.ir || fail "fast kernels multiply no pairs"

# what is wrong is said
expect 2 "input \`input_ids\` is not given" ./decoder
expect 2 "no option" ./decoder --colour
expect 2 "no language model" ./decoder --prompt "Once upon a time"
expect 2 "no input" ./decoder --in ids=x.npy
expect 1 "no such file" ./decoder --in input_ids=missing.npy
expect 1 "and \`input_ids\` takes" ./decoder --in "input_ids=$example/logits.npy"
echo text >text.npy
expect 1 "not a .npy file" ./decoder --in input_ids=text.npy
expect 2 "needs -o" "$lathe" build "$example/decoder.onnx" --cache off
expect 2 "names no file" "$lathe" build "$example/decoder.onnx" --cache off -o elsewhere/
expect 2 "number of threads" "$lathe" build "$example/decoder.onnx" --cache off -o x -j none
expect 2 "no such level" "$lathe" build "$example/decoder.onnx" --cache off -o x --cpu z80

# the same bytes again, from elsewhere, and compiled by another number of threads
mkdir elsewhere
(cd elsewhere && LC_ALL=C TZ=Asia/Tokyo "$lathe" build "$example/decoder.onnx" --cache off -o decoder -q -j 1) && cmp decoder elsewhere/decoder ||
  fail "two builds differ"

# what is cut off, or damaged, says so
for left in 1300 4096 5000 30000 120000 $((2 << 20)) $(($(stat -c %s decoder) - 60000)); do
  head -c $left decoder >short && chmod +x short
  expect 1 "short: this file is incomplete: it has $left bytes of " ./short --random 1
done
cp decoder damaged
printf 'x' | dd of=damaged bs=1 seek=$((2 * 1024 * 1024 + 5000)) conv=notrunc status=none
expect 1 "damaged" ./damaged --check

# constants that take more room than was left for the code: the weights move behind them
{
  hex=$(printf '%02x' $(seq 0 255)) hex=$hex$hex$hex$hex
  printf 'lathe 1\nconst @w : f32[2048] = hex "%s"\n' "$(for _ in 1 2 3 4 5 6 7 8; do printf %s "$hex"; done)"
  for i in $(seq 1000 3200); do printf 'const @c%s : f32[256] = hex "%s%s"\n' "$i" "${hex:8}" "$(printf '%08x' "$i")"; done
  echo 'func @main(%x: f32[256], %y: f32[2048]) -> (f32[256], f32[2048]) {'
  last=%x
  for i in $(seq 1000 3200); do printf '  %%c%s = const @c%s : f32[256]\n  %%v%s = add %s, %%c%s : f32[256]\n  %%t%s = softmax %%v%s : f32[256]\n' $i $i $i $last $i $i $i; last=%t$i; done
  printf '  %%w = const @w : f32[2048]\n  %%z = add %%y, %%w : f32[2048]\n  return %s, %%z\n}\n' "$last"
} >constants.ir
expect 0 "" "$lathe" build constants.ir $small -o constants -q
expect 0 "whole" ./constants --check
[ "$(stat -c %s constants)" -gt $((4 << 20)) ] || fail "these constants fit into the room for code: add some"

# functions that call others
cat >calls.ir <<'IR'
lathe 1
func @main<n>(%x: f32[n,4]) -> (y: f32[n,4]) {
  %0 = call @outer %x : f32[n,4]
  %y = call @outer %0 : f32[n,4]
  return %y
}
func @outer<a, b>(%x: f32[a,b]) -> (y: f32[a,b]) {
  %0 = call @inner %x : f32[a,b]
  %y = softmax %0 : f32[a,b]
  return %y
}
func @inner<m, n>(%x: f32[m,n]) -> (y: f32[m,n]) {
  %y = exp %x : f32[m,n]
  return %y
}
IR
expect 0 "" "$lathe" verify calls.ir $small --random 1
expect 0 "" "$lathe" build calls.ir $small -o calls -q
expect 0 "y: f32[3,4]" ./calls --random 1 -d n=3
sed -e 's/n,4/4/g; s/a,b/2*n/g; s/<a, b>/<n>/; s/m,n/m/g; s/<m, n>/<m>/' calls.ir >open-calls.ir
expect 1 "cannot be compiled yet" "$lathe" build open-calls.ir $small -o x -q

# other tools leave it whole
for tool in "strip -o" "llvm-strip-19 -o" "objcopy" "llvm-objcopy-19"; do
  command -v "${tool%% *}" >/dev/null || { echo "skip: what ${tool%% *} does, which is not installed"; continue; }
  rm -f other
  case $tool in *-o) $tool other decoder ;; *) $tool decoder other ;; esac 2>/dev/null || { fail "$tool cannot read it"; continue; }
  expect 0 "whole" ./other --check
  expect 0 "logits" ./other --random 1
done

# weights in a file of their own: beside the program wherever that is, or where one says
mkdir apart
expect 0 "apart/decoder.weights, apart/decoder" "$lathe" build "$example/decoder.onnx" --cache off $small -o apart/decoder --weights separate
expect 0 "whole" apart/decoder --check
ln -s "$PWD/apart/decoder" link && (cd / && expect 0 "whole" "$made/link" --check)
./decoder $small -i "input_ids=$example/input_ids.npy" -o inside && apart/decoder -i "input_ids=$example/input_ids.npy" -o outside &&
  cmp inside/logits.npy outside/logits.npy || fail "weights apart change the output"
mv apart/decoder.weights moved
expect 1 "apart/decoder.weights: there is no such file" apart/decoder --random 1
expect 0 "logits" apart/decoder --random 1 --weights moved
LATHE_WEIGHTS=moved expect 0 "logits" apart/decoder --random 1
expect 0 "steps" apart/decoder --info
head -c 50000 moved >short
expect 1 "incomplete: 50000 bytes of" apart/decoder --random 1 --weights short
expect 1 "do not end" apart/decoder --random 1 --weights decoder
sed '/^const @main.wte /s/ @f0 3888/ @f0 3892/' <("$lathe" ir "$example/decoder.onnx") >other.ir
expect 0 "" "$lathe" build other.ir --cache off $small -o apart/other --weights separate -q
expect 1 "another build" apart/decoder --random 1 --weights apart/other.weights
printf 'x' | dd of=moved bs=1 seek=5000 conv=notrunc status=none
expect 1 "damaged: their hash" apart/decoder --check --weights moved
expect 2 "own file" ./decoder --random 1 --weights moved
expect 2 "inside or separate" "$lathe" build "$example/decoder.onnx" --cache off -o x --weights elsewhere

# without a linker, or with one that fails, there is a message and no file
LATHE_LLD=/nonexistent expect 1 "cannot run the linker" "$lathe" build "$example/decoder.onnx" --cache off $small -o unlinked -q
LATHE_LLD=false expect 1 "failed" "$lathe" build "$example/decoder.onnx" --cache off $small -o unlinked -q
[ ! -e unlinked ] || fail "a file without a linker"

# a build that is killed leaves nothing that the next does not clear
for i in 0.01 0.05 0.1 0.3; do
  timeout -s KILL "$i" "$lathe" build "$example/decoder.onnx" --cache off $small -o killed -q 2>/dev/null
  [ ! -e killed ] || ./killed --check >/dev/null || fail "half a file after $i s"
done
rm -f killed
"$lathe" build "$example/decoder.onnx" --cache off $small -o killed -q && [ "$(echo killed*)" = killed ] || fail "litter: $(echo killed*)"

# more inputs than anyone has
awk 'BEGIN { n = 300; printf "lathe 1\nfunc @main("; for (i = 0; i < n; i++) printf "%s%%x%d: f32[2]", i ? ", " : "", i
             print ") -> (y: f32[2]) {\n  %s0 = add %x0, %x1 : f32[2]"
             for (i = 2; i < n; i++) printf "  %%s%d = add %%s%d, %%x%d : f32[2]\n", i - 1, i - 2, i
             printf "  return %%s%d\n}\n", n - 2 }' >many.ir
expect 0 "" "$lathe" build many.ir $small -o many -q
expect 0 "y: f32" ./many --random 1

# sizes that only the data tells, a loop that grows what it carries, a branch
cat >told.ir <<'END'
lathe 1
func @main<n, k?, c?, m?, t?, r?>(%x: f32[n], %turns: i64[], %long: bool[]) -> (found: i64[1,k], grown: f32[m], all: f32[t,n], one: f32[r]) {
  %found = nonzero %x : i64[1,k]
  %grown, %all = loop %turns, _, %x (%i: i64[], %go: bool[], %y: f32[c]) {
    %z = concat %y, %x axis=0 : f32[c+n]
    %w = add %x, %x : f32[n]
    yield %go, %z, %w
  } : f32[m], f32[t,n]
  %one = if %long {
    yield %grown
  } {
    yield %x
  } : f32[r]
  return %found, %grown, %all, %one
}
END
expect 0 "" "$lathe" build told.ir $small -o told -q
cat >given.ir <<'END'
lathe 1
func @main() -> (turns: i64[], long: bool[]) {
  %turns = const 3 : i64[]
  %long = const true : bool[]
  return %turns, %long
}
END
expect 0 "" "$lathe" eval given.ir --out-dir given
expect 0 "one: f32[20]" ./told --in turns=given/turns.npy --in long=given/long.npy --random 1 -d n=5
expect 0 "all: f32[3,5]" ./told --in turns=given/turns.npy --in long=given/long.npy --random 1 -d n=5 --repeat 3
for t in 1 3; do ./told --in turns=given/turns.npy --in long=given/long.npy --random 1 -d n=3000 -o "told$t" -t $t || fail "told with $t threads"; done
diff -r told1 told3 >/dev/null || fail "threads change what a loop computes"

# sizes that do not fit each other
cat >differ.ir <<'END'
lathe 1
func @main<n, m, k?>(%x: f32[n], %y: f32[m]) -> (z: f32[k]) {
  %z = add %x, %y : f32[k]
  return %z
}
END
expect 0 "" "$lathe" build differ.ir $small -o differ -q
expect 0 "z: f32[3]" ./differ --random 1 -d n=3 -d m=1
expect 1 "must be equal are 3 and 2" ./differ --random 1 -d n=2 -d m=3

# other things to write; a library needs nothing but the C library (test_library.sh runs some)
expect 0 "best.o, best.h" "$lathe" build "$example/../library/best.ir" -o best.o --emit obj
echo 'int main(void) { return 0; }' | cc -xc - -xnone best.o -pthread -o linked || fail "a library that does not link"
expect 0 "" "$lathe" build "$example/decoder.onnx" --cache off $small -o d.ll --emit llvm -q
grep -q "define" d.ll || fail "d.ll has no function"
expect 0 "" "$lathe" build "$example/decoder.onnx" --cache off $small -o d.s --emit asm -q
grep -q "lrt_model_data:" d.s || fail "d.s has no model"
expect 0 "" "$lathe" build "$example/decoder.onnx" --cache off -o d.ir --emit ir -q
expect 0 "" "$lathe" ir d.ir

[ $bad = 0 ] && echo "programs behave"
exit $bad
