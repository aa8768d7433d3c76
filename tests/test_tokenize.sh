#!/usr/bin/env bash
# test_tokenize.sh LATHE -- `lathe tokenize`: the corpus' vocabularies, and what it says to files that are wrong.
. "$(dirname "$0")/command.sh" "$1"
corpus=${LATHE_CORPUS:-$root/../shared/corpus}
kinds=$root/tests/tokenizers

printf 'Hello world' >hello
expect 0 "" "$lathe" tokenize "$kinds/gpt2.json" --file hello
ids=$said
expect 0 "Hello world" "$lathe" tokenize "$kinds/gpt2.json" --decode <<<"$ids"
expect 0 "2 " "$lathe" tokenize "$kinds/bert_cased.json" -f hello
expect 1 "is no token" "$lathe" tokenize "$kinds/gpt2.json" --decode <<<"5 400000"
expect 1 "is no token" "$lathe" tokenize "$kinds/gpt2.json" --decode <<<"5 -1"
expect 1 "is no token" "$lathe" tokenize "$kinds/gpt2.json" --decode <<<"5x"
expect 1 "cannot open" "$lathe" tokenize "$kinds/gpt2.json" -f nothing
expect 1 "cannot open" "$lathe" tokenize nothing
expect 1 "no tokenizer in this folder" "$lathe" tokenize .

# of no bytes, and of one
expect 0 "" "$lathe" tokenize "$kinds/gpt2.json" </dev/null
[ -z "$said" ] || fail "an empty text has tokens: $said"
expect 0 "" "$lathe" tokenize "$kinds/sp_bpe.model" </dev/null
[ "$(printf 'a' | "$lathe" tokenize "$kinds/gpt2.json")" = 65 ] || fail "the byte a is another token"

# wrong TEXT MODEL [MORE]: a tokenizer.json of this model is refused with the text
wrong() {
  printf '{"model":%s%s}' "$2" "${3:+,$3}" >wrong.json
  expect 1 "$1" "$lathe" tokenize wrong.json </dev/null
}
split() { printf '"pre_tokenizer":{"type":"Split","pattern":{"Regex":"%s"},"behavior":"Isolated"}' "$1"; }
bpe='{"type":"BPE","vocab":{"a":0,"b":1,"ab":2},"merges":[["a","b"]]}'
wrong "is of the type \`Magic\`" '{"type":"Magic"}'
wrong "have the same number 0" '{"type":"BPE","vocab":{"a":0,"b":0},"merges":[]}'
wrong "has the number -1" '{"type":"BPE","vocab":{"a":-1},"merges":[]}'
wrong "has the number 99999999999" '{"type":"BPE","vocab":{"a":99999999999},"merges":[]}'
wrong "is 5000 bytes long" "{\"type\":\"BPE\",\"vocab\":{\"$(printf 'x%.0s' {1..5000})\":0},\"merges\":[]}"
wrong "joins \`c\`, which is no token" '{"type":"BPE","vocab":{"a":0},"merges":[["a","c"]]}'
wrong "makes \`aa\`, which is no token" '{"type":"BPE","vocab":{"a":0},"merges":["a a"]}'
wrong "is no pair of tokens" '{"type":"BPE","vocab":{"a":0},"merges":["a"]}'
wrong "there is no token <0x00>" '{"type":"BPE","vocab":{"<0x-1>":0},"merges":[],"byte_fallback":true}'
wrong "the unknown token \`u\`" '{"type":"BPE","vocab":{"a":0},"merges":[],"unk_token":"u"}'
wrong "has the number -1" "$bpe" '"added_tokens":[{"id":-1,"content":"x"}]'
wrong "a group ( does not end" "$bpe" "$(split '(?=a')"
wrong "the vocabulary is empty" '{"type":"BPE","vocab":{},"merges":[]}'
wrong "no piece with a score" '{"type":"Unigram","vocab":[["a"]]}'
wrong "\`unk_id\` is 7" '{"type":"Unigram","unk_id":7,"vocab":[["a",0.5]]}'
wrong "looks behind" "$bpe" "$(split '(?<!a)b')"
wrong "a group ( does not end" "$bpe" "$(split '(a')"
wrong "a class [ does not end" "$bpe" "$(split '[a')"
wrong "there is no property" "$bpe" "$(split '\\p{Nope}')"
wrong "can be possessive or atomic" "$bpe" "$(split '(?:ab)++')"
wrong "nested more than 100 deep" "$bpe" "$(split "$(printf '(%.0s' {1..200})")"
wrong "too long when its repeats" "$bpe" "$(split '((a{1000}){1000}){1000}')"
wrong "too many states" "$bpe" "$(split '(a|b)*a(a|b){20}c')"
wrong "looks ahead within" "$bpe" "$(split '(?=a(?!bc)d)')"
wrong '\1 is not known' "$bpe" "$(split '(a)\\1')"
wrong "the pre-tokenizer \`UnicodeScripts\`" "$bpe" '"pre_tokenizer":{"type":"UnicodeScripts"}'
wrong "the normalizer \`Magic\`" "$bpe" '"normalizer":{"type":"Magic"}'
wrong "no base64" "$bpe" '"normalizer":{"type":"Precompiled","precompiled_charsmap":"a!"}'
wrong "said to be a trie" "$bpe" '"normalizer":{"type":"Precompiled","precompiled_charsmap":"/////wAA"}'
wrong "the decoder \`CTC\`" "$bpe" '"decoder":{"type":"CTC"}'
wrong "the post-processor \`Magic\`" "$bpe" '"post_processor":{"type":"Magic"}'
wrong "stands behind ByteLevel" "$bpe" '"pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"ByteLevel"},{"type":"Whitespace"}]}'
printf '{"model":%s' "$(printf '[%.0s' {1..100000})" >deep.json
expect 1 "maximum parsing depth" "$lathe" tokenize deep.json </dev/null
printf '{}' >none.json
expect 1 "it has no \`model\`" "$lathe" tokenize none.json </dev/null
: >empty.model
expect 1 "the file is empty" "$lathe" tokenize empty.model </dev/null
printf 'x' >bad.model
expect 1 "no protobuf message" "$lathe" tokenize bad.model </dev/null
printf '\x0a\x0c\x0a\x06<0x-1>\x18\x06\x18\x06' >byte.model
expect 1 "is said to be a byte" "$lathe" tokenize byte.model </dev/null

# a merge that makes one of its own parts does not go on for ever
printf '{"model":{"type":"BPE","vocab":{"a":0,"":1},"merges":[]}}' >odd.json
expect 0 "0 0 0" "$lathe" tokenize odd.json <<<"aaa"

if [ ! -d "$corpus/tokenizers" ]; then
  echo "skip the corpus' vocabularies: they are not there (LATHE_CORPUS)"
  exit $bad
fi
for kind in gpt-2 llama-spm bert-bge phi-3; do
  tables=$corpus/tokenizers/$kind.gguf
  rm -f text.*
  awk -v RS='\n__ggml_vocab_test__\n' '{ printf "%s", $0 > sprintf("text.%02d", NR - 1); close(sprintf("text.%02d", NR - 1)) }' "$corpus/tokenizers/$kind.inp"
  line=0
  while read -r want; do
    file=$(printf 'text.%02d' $line)
    line=$((line + 1))
    [ -f "$file" ] || : >"$file"
    got=$("$lathe" tokenize "$tables" --no-special -f "$file")
    [ "$got" = "$(echo $want)" ] || fail "$kind, text $line: $got, and not $want"
  done <"$corpus/tokenizers/$kind.out"
  [ $line -ge 46 ] || fail "$kind has only $line texts"
done
exit $bad
