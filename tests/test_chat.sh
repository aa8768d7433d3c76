#!/usr/bin/env bash
# test_chat.sh LATHE -- conversations by a chat template: a turn knows those before it, until they are forgotten.
. "$(dirname "$0")/command.sh"
"$lathe" build "$root/examples/tales" -o tales -q 2>/dev/null || exit 1
talk() { timeout 60 ./tales -i --temp 0 -n 30 "$@"; }
cat='Tell me a story about a cat.' dog='And one about a dog?'
printf '%s\n' "$cat" | talk >cat || fail "a turn"
[ -s cat ] || fail "nothing is said"
printf '%s\n' "$dog" | talk >dog || fail "another turn"
printf '%s\n/clear\n%s\n' "$cat" "$dog" | talk >both && cat cat dog | cmp - both || fail "what is forgotten is remembered"
printf '%s\n%s\n' "$cat" "$dog" | talk >both && cat cat dog | cmp -s - both && fail "a turn knows nothing of the one before"
head -c "$(stat -c %s cat)" both | cmp - cat || fail "the first turn of two is another"
talk -p "$cat" </dev/null | cmp - cat || fail "-p is not the first turn"
printf '%s\n' "$cat" | talk -sys "Be brief." >/dev/null || fail "-sys"
expect 1 "byte 0" ./tales -i --tools /dev/null
expect 1 "no such file" ./tales -i --tools missing
expect 2 "no tokens for its prompt" ./tales -i --ids 1
expect 1 "does not fit the context" ./tales -i -c 4 -p "$cat"
[ $bad = 0 ] && echo "it converses"
exit $bad
