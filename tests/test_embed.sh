#!/usr/bin/env bash
# test_embed.sh LATHE -- programs of text encoders give the vectors that transformers gives (tests/oracles/make_embeddings.py).
. "$(dirname "$0")/command.sh"
mkdir model && cp "$root"/tests/lm/bert/{config.json,model.safetensors} "$root/tests/embed/tokenizer.json" model || exit 1
"$lathe" build model -o embed -q || exit 1

# near FILE FILE: numbers that differ by 1e-4 of the largest at most
near() {
  paste -d' ' "$1" "$2" | awk '
    NF % 2 { exit 1 }
    { for (i = 1; i <= NF / 2; i++) { d = $i - $(i + NF / 2); if (d < 0) d = -d; if (d > worst) worst = d; a = $(i + NF / 2); if (a < 0) a = -a; if (a > most) most = a } n++ }
    END { exit !(n > 0 && most > 0 && worst <= 1e-4 * most) }'
}
lines=$root/tests/embed/lines.txt
for how in mean cls last; do
  ./embed -f "$lines" --pooling $how >$how && near $how "$root/tests/embed/$how.txt" || fail "pooling $how differs from transformers"
done
./embed --normalize 0 -t 1 <"$lines" >raw && near raw "$root/tests/embed/mean_raw.txt" || fail "vectors of their own length differ from transformers"
near mean "$root/tests/embed/cls.txt" && fail "the comparison finds all alike"
./embed --embed -f "$lines" | cmp - mean || fail "--embed is not what is done unasked"
expect 0 '{"text":"x","embedding":[' ./embed -p x --json
expect 0 "2,56,57,59,61,3" ./embed -p "The cat sat." --tokenize
expect 2 "mean, cls or last, and not \`most\`" ./embed --pooling most -p x
expect 2 "no language model" ./embed -p x --tokens 3
expect 1 "tokens long, and the model takes 32" ./embed -p "$(printf 'a %.0s' $(seq 40))"
expect 0 "makes vectors of texts" ./embed --help
expect 0 "last_hidden_state: f32[" ./embed --random 1
[ -z "$(./embed </dev/null)" ] || fail "no lines give something"
[ $bad = 0 ] && echo "vectors agree"
exit $bad
