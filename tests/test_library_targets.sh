#!/usr/bin/env bash
# test_library_targets.sh LATHE -- libraries for each Linux target, made and linked with nothing of that target installed, and run.
. "$(dirname "$0")/command.sh" "$1"
clang=$(command -v clang-19 || echo /usr/lib/llvm-19/bin/clang)
nm=$(command -v llvm-nm-19 || echo /usr/lib/llvm-19/bin/llvm-nm)

# target(NAME, how clang calls it, what runs it, what is shared, flags)
target() {
  local name=$1 triple=$2 runner=$3 shared=$4
  shift 4
  mkdir "$name"
  "$lathe" build "$root/examples/model/decoder.onnx" --target "$name" --emit lib -o "$name/decoder" -q || fail "$name: decoder"
  "$lathe" build "$root/examples/library/best.ir" --target "$name" --emit obj -o "$name/best.o" -q || fail "$name: best"
  case $shared:$([ -e "$name/libdecoder.so" ] && echo yes) in yes:yes | no:) ;; *) fail "$name: a shared library, or none" ;; esac
  for file in libdecoder.a best.o; do
    "$nm" -g --defined-only "$name/$file" | awk 'NF == 3 { print $3 }' | grep -Ev '^(decoder|best)_' && fail "$name: $file exports more"
  done
  "$clang" --target="$triple" "$@" -std=c17 -O1 -ffreestanding -fno-stack-protector -nostdlib -static -fuse-ld=lld -Wl,-e,_start -Wall -Wextra -I "$root" -I "$name" \
    "$root/tests/library/bare.c" "$root/runtime/memory.c" "$name/libdecoder.a" "$name/best.o" -o "$name/bare" || { fail "$name: linking"; return; }
  [ -z "$runner" ] || command -v "$runner" >/dev/null || { echo "skip: running for $name: there is no $runner"; return; }
  $runner "$name/bare" "$name/decoder.weights" >"$name/said" || fail "$name: status $?"
  cmp "$name/said" x86-64-linux/said || fail "$name says: $(cat "$name/said")"
}

target x86-64-linux x86_64-linux-gnu "" yes
[ "$(wc -w <x86-64-linux/said)" = 32 ] || fail "x86-64-linux says: $(cat x86-64-linux/said)"
target aarch64-linux aarch64-linux-gnu qemu-aarch64 yes
target armv7-linux armv7-linux-gnueabihf qemu-arm no -mfpu=neon
target riscv64-linux riscv64-linux-gnu qemu-riscv64 no -march=rv64gc -mabi=lp64d -mno-relax

[ $bad = 0 ] && echo "libraries cross"
exit $bad
