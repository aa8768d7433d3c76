#!/usr/bin/env bash
# test_targets.sh LATHE -- programs for other processors, as a person meets them: made here, refused, run by qemu and Node.
. "$(dirname "$0")/command.sh" "$1"
example=$root/examples/model run_wasm=$root/examples/wasm/run.mjs
have() { command -v "$1" >/dev/null || { echo "skip: there is no $1"; false; }; }

# each target has a program and, where it runs on Linux, a library
expect 0 "riscv64gcv" "$lathe" targets
for target in x86-64-linux aarch64-linux armv7-linux riscv64-linux wasm32; do
  expect 0 "numerics exact" "$lathe" build "$example/decoder.onnx" --cache off --target $target -o $target
  [ $target = wasm32 ] || expect 0 ".h" "$lathe" build "$example/decoder.onnx" --cache off --target $target --emit lib -o lib-$target
done
expect 2 "no C programs" "$lathe" build "$example/decoder.onnx" --cache off --target wasm32 --emit lib -o x
expect 2 "the targets are x86-64-linux" "$lathe" build "$example/decoder.onnx" --cache off --target z80-linux -o x
expect 2 "the levels are aarch64" "$lathe" build "$example/decoder.onnx" --cache off --target aarch64-linux --cpu x86-64-v3 -o x

# more weights than fit are refused, before anything is written
truncate -s 2400M weights.bin
cat >large.ir <<'IR'
lathe 1

file @f0 "weights.bin" 2516582400

const @w : f32[600000000] = file @f0 0

func @main(%x: f32[1]) -> (y: f32[600000000]) {
  %w = const @w : f32[600000000]
  %y = add %x, %w : f32[600000000]
  return %y
}
IR
expect 1 "has room for 1536 MB" "$lathe" build large.ir --target armv7-linux -o x
expect 1 "has room for 2048 MB" "$lathe" build large.ir --target wasm32 -o x
[ ! -e x ] || fail "a program that was refused is there"

# runs TARGET COMMAND...: the program gives what was computed here, with any number of threads, and knows its weights
"$lathe" build "$example/decoder.onnx" --cache off --cpu x86-64-v2 -o here -q
runs() {
  local target=$1
  shift
  for threads in 1 2 3; do
    expect 0 "" "$@" ./$target --in "input_ids=$example/input_ids.npy" --out-dir out-$threads -t $threads
    cmp out-1/logits.npy out-$threads/logits.npy || fail "$target: threads change the output"
  done
  expect 0 "whole" "$@" ./$target --check
  expect 0 "logits: f32[1,4,128] = " "$@" ./$target --random 1
  expect 1 "no such file" "$@" ./$target --in input_ids=missing.npy
}
if have qemu-aarch64; then
  runs x86-64-linux qemu-x86_64 -cpu Nehalem
  runs aarch64-linux qemu-aarch64 -cpu cortex-a53
  runs armv7-linux qemu-arm -cpu cortex-a9
  runs riscv64-linux qemu-riscv64 -cpu rv64,v=false
  expect 0 "riscv64gcv" qemu-riscv64 -cpu rv64,v=true,vext_spec=v1.0,vlen=256 ./riscv64-linux --random 1 --repeat 2
  expect 0 "riscv64gc:" qemu-riscv64 -cpu rv64,v=false ./riscv64-linux --random 1 --repeat 2
  # a processor that lacks something is told so
  "$lathe" build "$example/decoder.onnx" --cache off --cpu aarch64-bf16 -o newer -q
  expect 1 "this processor has no dotprod,i8mm,bf16" qemu-aarch64 -cpu cortex-a53 ./newer --random 1
  "$lathe" build "$example/decoder.onnx" --cache off --cpu armv7-vfp4 -o newer -q
  expect 1 "this processor has no vfp4" qemu-arm -cpu cortex-a9 ./newer --random 1
  "$lathe" build "$example/decoder.onnx" --cache off --cpu riscv64gcv -o newer -q
  expect 1 "this processor has no v" qemu-riscv64 -cpu rv64,v=false ./newer --random 1
  "$lathe" build "$example/decoder.onnx" --cache off --cpu x86-64-v3 -o newer -q
  expect 1 "this processor has no" qemu-x86_64 -cpu Nehalem ./newer --random 1
  # a file that was cut off says so
  for machine in aarch64 arm riscv64; do
    whole=$machine-linux
    [ $machine != arm ] || whole=armv7-linux
    for left in 1300 4096 40000 $((2 << 20)) $(((2 << 20) + 4096)); do # the last within the weights
      head -c $left $whole >cut && chmod +x cut
      expect 1 "cut: this file is incomplete: it has $left bytes of " qemu-$machine ./cut --random 1
    done
  done
fi
if have node; then
  runs wasm32 node --no-warnings "$run_wasm"
  expect 0 "logits" node --no-warnings "$run_wasm" "$made/wasm32" --in "input_ids=$example/input_ids.npy" # by full names
fi
exit $bad
