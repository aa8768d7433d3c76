#!/usr/bin/env bash
# command_line.sh LATHE -- checks what a user of the command line meets: exit statuses, messages with hints, dumps that
# run again, colours.
set -uo pipefail
cd "$(dirname "$0")/.."
lathe=$(realpath "$1")
here=$PWD
model=examples/model/decoder.onnx
ids=input_ids=examples/model/input_ids.npy
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bad=0

fail() { echo "FAIL $*"; bad=1; }

# expect STATUS TEXT ARGUMENTS...: runs lathe; what it prints, on either stream, must contain the text.
expect() {
  local status=$1 text=$2
  shift 2
  "$lathe" "$@" >"$work/out" 2>&1 </dev/null
  local got=$?
  [ $got = "$status" ] || fail "lathe $*: exit status $got instead of $status"
  grep -qF -- "$text" "$work/out" || fail "lathe $*: does not say \`$text\`, but: $(head -c 300 "$work/out")"
}

# ---- nothing wrong ----
expect 0 "lathe 0."                            --version
expect 0 "usage: lathe COMMAND"                help
expect 0 "usage: lathe ir"                     ir --help
expect 0 "pipelines:"                          help passes
expect 0 "seq <= 8"                            ir $model -d 'seq<=8'
expect 0 "i64[1,8]"                            ir $model -d seq=8
expect 0 "// after cse"                        ir $model --pipeline default --after cse
expect 0 "// after shapes"                     ir $model --pipeline default --after-all
expect 0 "logits : f32[1,"                     eval $model --in $ids
expect 0 "flops"                               inspect $model
expect 0 '"unsupported": []'                   inspect $model --json
expect 0 "recovered  2 attention"                inspect $model --pipeline default
expect 0 '"recovered": {}'                     inspect $model --json

# ---- the command line is at fault ----
expect 2 "no command is given"
expect 2 "did you mean \`lathe eval\`?"        evl
expect 2 "did you mean \`lathe eval\`?"        ev $model
expect 2 "did you mean --passes?"              ir $model --pases a
expect 2 "takes MODEL, and 0 were given"       ir
expect 2 "needs a value"                       ir $model -d
expect 2 "not of the form NAME=N"              ir $model -d seq
expect 2 "\`seq\` is given twice"              ir $model -d seq=1 -d seq=2
expect 2 "the passes are"                      ir $model --passes none-such
expect 2 "the pipelines are"                   ir $model --pipeline none-such
expect 2 "exclude each other"                  ir $model --passes cse --pipeline default
expect 2 "not of the form NAME=FILE"           eval $model --in x
expect 2 "is not a number"                     eval $model --random x
expect 2 "is not a number"                     eval $model --max-memory 1X

# ---- the input is at fault ----
expect 1 "No such file"                        ir "$work/none.onnx"
expect 1 "not a regular file"                  ir /dev/zero
expect 1 "there are: seq"                      ir $model -d sequence=8
expect 1 "--in input_ids=FILE.npy"             eval $model
expect 1 "its inputs are input_ids"            eval $model --in ids=x.npy
expect 1 "is this an ONNX model?"              eval README.md
expect 1 "is not a .npy file"                  eval $model --in input_ids=README.md
expect 1 "No such file"                        eval $model --in input_ids="$work/none.npy"
expect 1 "is f32[1,16,128], and is declared"   eval $model --in input_ids=examples/model/logits.npy
expect 1 "and is declared i64[1,3]"            eval $model --in $ids -d seq=3
expect 1 "there is no function"                eval $model --in $ids --func none-such
expect 1 "stopped after 3 nodes"               eval $model --in $ids --max-steps 3

# ---- neither is: no memory, no room on the disk ----
expect 74 "--max-memory is 1024"               eval $model --in $ids --max-memory 1K
expect 74 "this is input \`input_ids\`"        eval $model --random 1 --max-memory 1M -d seq=1000000
expect 74 "Not a directory"                    eval $model --in $ids --out-dir README.md
expect 74 "cannot write"                       docs "$work/none"
"$lathe" ir $model >/dev/full 2>/dev/null
[ $? = 74 ] || fail "a full disk is not exit status 74"
(ulimit -f 1; "$lathe" ir $model --dump-dir "$work/full" >/dev/null 2>&1)
[ $? = 74 ] || fail "a full disk under a dump is not exit status 74"
[ -z "$(ls -A "$work/full")" ] || fail "a dump that failed leaves half a file"
(ulimit -f 1; "$lathe" eval $model --in $ids --out-dir "$work/small" >/dev/null 2>&1)
[ $? = 74 ] || fail "a full disk under a result is not exit status 74"
[ -z "$(ls -A "$work/small")" ] || fail "a result that failed leaves half a file"

# ---- what was dumped runs again as it is, with the same result; `recover` alone rounds differently ----
"$lathe" eval $model --in $ids --pipeline default --dump-dir "$work/dump" --out-dir "$work/after" || fail "no dump"
"$lathe" eval $model --in $ids --pipeline none --out-dir "$work/want" || fail "no result without passes"
for dump in "$work"/dump/*.ir; do
  case $dump in *-recover.ir) mv "$work/after/logits.npy" "$work/want/logits.npy" ;; esac
  (cd "$work" && "$lathe" eval "$dump" --in "input_ids=$here/examples/model/input_ids.npy" --out-dir got) || fail "$dump does not run from elsewhere"
  cmp -s "$work/want/logits.npy" "$work/got/logits.npy" || fail "$dump computes something else"
done
[ "$(find "$work/dump" -name '*.ir' | wc -l)" -gt 3 ] || fail "too few dumps"

# ---- names of outputs that are the same as names of files ----
cat >"$work/names.ir" <<'IR'
lathe 1
func @main(%x: f32[2]) -> ("a/b": f32[2], "a:b": f32[2], "../c": f32[2]) {
  %0 = neg %x : f32[2]
  return %x, %0, %0
}
IR
"$lathe" eval "$work/names.ir" --random 1 --out-dir "$work/names" || fail "names.ir does not run"
[ "$(cd "$work/names" && LC_ALL=C ls | xargs)" = "_._c.npy a_b-1.npy a_b.npy" ] || fail "files are called $(cd "$work/names" && LC_ALL=C ls | xargs)"

# ---- colour is for terminals ----
if script -qc true /dev/null </dev/null >/dev/null 2>&1; then
  on_terminal() { env "$@" script -qc "'$lathe' ir none.onnx" /dev/null </dev/null; }
  case $(on_terminal -u NO_COLOR) in *$'\033'*) ;; *) fail "no colour on a terminal" ;; esac
  case $(on_terminal NO_COLOR=1) in *$'\033'*) fail "NO_COLOR is not obeyed" ;; esac
else
  echo "skipped: colour on a terminal: there is no pseudo-terminal here"
fi
case $("$lathe" ir none.onnx 2>&1) in *$'\033'*) fail "colour in a pipe" ;; esac

[ $bad = 0 ] && echo "the command line does what it should"
exit $bad
