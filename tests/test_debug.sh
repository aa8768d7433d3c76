#!/usr/bin/env bash
# test_debug.sh LATHE -- `lathe build -g`: kernels' code names lines of the IR beside, and debuggers find them.
. "$(dirname "$0")/command.sh" "$1"
example=$root/examples/model
tool() { command -v "$1-19" || command -v "$1" || { [ -x "/usr/lib/llvm-19/bin/$1" ] && echo "/usr/lib/llvm-19/bin/$1"; }; }

build() { "$lathe" build "$example/decoder.onnx" --cache off -q --cpu x86-64-v3 "$@"; }
build -o plain || fail "it does not build"
build -o decoder -g || fail "it does not build with -g"
[ -e plain.ir ] && fail "IR beside a program without -g"
"$lathe" ir decoder.ir | cmp - decoder.ir || fail "decoder.ir is not what it reads as"

# the same outputs, and the same bytes again from elsewhere
./plain -i "input_ids=$example/input_ids.npy" -o one && ./decoder -i "input_ids=$example/input_ids.npy" -o two
cmp one/logits.npy two/logits.npy || fail "-g changes the output"
mkdir elsewhere
(cd elsewhere && TZ=Asia/Tokyo build -o decoder -g) && cmp decoder elsewhere/decoder ||
  fail "two builds with -g differ"

# every kernel is a function where the text says it is, and code of it comes from its stores (LLVM merges some)
if dwarfdump=$(tool llvm-dwarfdump); then
  "$dwarfdump" --verify decoder >said || fail "$(cat said)"
  "$dwarfdump" --debug-info decoder | awk '/DW_AT_name/ { gsub(/.*\("|"\).*/, ""); name = $0 }
    /DW_AT_decl_line/ && name ~ /^kernel/ && name !~ /groups$/ { gsub(/[^0-9]/, ""); print name, $0; name = "" }' | sort -u >functions
  awk '/^kernel/ { sub(/^@/, "", $2); sub(/[(].*/, "", $2); print $2, NR }' decoder.ir | sort -u | cmp - functions ||
    fail "functions and kernels differ"
  "$dwarfdump" --debug-line decoder | awk '$1 ~ /^0x/ && $2 + 0 > 0 { print $2 }' | sort -u >lines
  awk 'NR == FNR { code[$1] = 1; next }
       /^kernel/ { if (name && !found) print name; name = $2; found = 0 }
       /^ +store / && code[FNR] { found = 1 }
       END { if (!found) print name }' lines decoder.ir >without
  [ ! -s without ] || fail "no line of a store in $(cat without)"
else
  echo "skip: what llvm-dwarfdump would show, which is not installed"
fi

# gdb stops in a line, and knows what the kernel was given
if command -v gdb >/dev/null; then
  line=$(awk '/^kernel @kernel.range/ { inside = 1 } inside && /return/ { print NR; exit }' decoder.ir)
  gdb -batch -nx -ex "break decoder.ir:$line" -ex run -ex 'print *v0@4' -ex bt --args ./decoder --random 1 -t 1 >said 2>&1
  if grep -q "ptrace" said; then
    echo "skip: what gdb would show, which may not trace here"
  else
    grep -q "^$line.*return @\"positions\"" said || fail "gdb does not stop in line $line: $(cat said)"
    grep -q '{0, 1, 2, 3}' said || fail "gdb does not see the buffer: $(cat said)"
    grep -q 'kernel.range .*at [./]*decoder.ir' said || fail "gdb does not name the kernel: $(cat said)"
    grep -q ' lrt_main ' said || fail "gdb does not find the way back: $(cat said)"
  fi
else
  echo "skip: what gdb would show, which is not installed"
fi

# perf says which lines the time goes to
if command -v perf >/dev/null && perf record -q -o times ./decoder --random 1 -d seq=60 -t 1 --repeat 300 >said 2>&1; then
  perf annotate --stdio -l -i times >said 2>/dev/null
  grep -q 'decoder.ir:[1-9]' said || fail "perf finds no lines"
else
  echo "skip: what perf would show, which is not installed or may not count here"
fi

[ $bad = 0 ] && echo "lines are found"
exit $bad
