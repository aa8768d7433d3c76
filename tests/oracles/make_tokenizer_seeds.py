"""make_tokenizer_seeds.py -- writes seeds for the fuzzers of tokenizers and of texts: tests/fuzz/corpus/{tokenizer,text}."""
import json, os, struct

import gguf

HERE = os.path.dirname(os.path.abspath(__file__))
OUT, TEXT = (os.path.join(HERE, "../fuzz/corpus", x) for x in ("tokenizer", "text"))
WORDS = ["a", "b", "c", "Ġ", "ab", "abc", "Ġa", "l", "o", "lo", "1", "2", "12", "Ċ"]


def write(name, **j):
    with open(os.path.join(OUT, name), "w") as f:
        json.dump(j, f, ensure_ascii=False, separators=(",", ":"))


def bpe(merges, vocab=WORDS, **k):
    return dict(type="BPE", vocab={x: i for i, x in enumerate(vocab)}, merges=merges, **k)


def number(n):
    out = b""
    while n > 127:
        out, n = out + bytes([n & 127 | 128]), n >> 7
    return out + bytes([n])


def message(field, data):
    return number(field << 3 | 2) + number(len(data)) + data


def value(field, n):
    return number(field << 3) + number(n)


def piece(text, score=0.0, kind=1):
    return message(1, message(1, text.encode()) + b"\x15" + struct.pack("<f", score) + value(3, kind))


def vocabulary(name, kind, tokens, types, scores=None, merges=None, pre=None):
    w = gguf.GGUFWriter(os.path.join(OUT, name), "llama")
    w.add_tokenizer_model(kind)
    if pre:
        w.add_tokenizer_pre(pre)
    w.add_token_list(tokens)
    w.add_token_types(types)
    if scores:
        w.add_token_scores(scores)
    if merges:
        w.add_token_merges(merges)
    w.add_bos_token_id(1)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.close()


for folder in (OUT, TEXT):
    os.makedirs(folder, exist_ok=True)
SIGNS = [dict(id=20, content="<s>", special=True, normalized=False, lstrip=False, rstrip=True, single_word=False),
         dict(id=21, content="foo", special=False, normalized=True, lstrip=True, rstrip=False, single_word=True)]
write("bpe.json", added_tokens=SIGNS, pre_tokenizer=dict(type="ByteLevel", add_prefix_space=True, use_regex=False), decoder=dict(type="ByteLevel"),
      model=bpe(["a b", "ab c", "Ġ a", "l o", "1 2"]),
      post_processor=dict(type="TemplateProcessing", single=[dict(SpecialToken=dict(id="<s>", type_id=0)), dict(Sequence=dict(id="A", type_id=0))],
                          special_tokens={"<s>": dict(id="<s>", ids=[20], tokens=["<s>"])}))
write("split.json", model=bpe([["a", "b"]], ignore_merges=True, fuse_unk=True), pre_tokenizer=dict(type="Sequence", pretokenizers=[
    dict(type="Split", pattern=dict(Regex="(?i:'s|'t)| ?[a-z]+|[0-9]{1,3}|[^ a-z0-9]+(?!x)|(?=(ab)+c)"), behavior="MergedWithNext", invert=False),
    dict(type="ByteLevel", add_prefix_space=False, use_regex=False)]))
write("metaspace.json", normalizer=dict(type="Sequence", normalizers=[
    dict(type="Prepend", prepend="▁"), dict(type="Replace", pattern=dict(String=" "), content="▁"), dict(type="Strip", strip_left=False, strip_right=True)]),
      decoder=dict(type="Sequence", decoders=[dict(type="Replace", pattern=dict(String="▁"), content=" "), dict(type="ByteFallback"), dict(type="Fuse"),
                                              dict(type="Strip", content=" ", start=1, stop=0)]),
      model=bpe([["▁", "a"], ["b", "c"]], ["<unk>"] + ["<0x%02X>" % i for i in range(256)] + ["▁", "a", "b", "c", "▁a", "bc"], byte_fallback=True, unk_token="<unk>"))
META = dict(type="Metaspace", replacement="▁", prepend_scheme="first", split=True)
write("unigram.json", pre_tokenizer=META, decoder=META,
      model=dict(type="Unigram", unk_id=0, vocab=[["<unk>", 0], ["▁", -1.5], ["a", -2], ["b", -2.5], ["ab", -3], ["▁ab", -4.25]]))
write("wordpiece.json", pre_tokenizer=dict(type="CharDelimiterSplit", delimiter=" "), decoder=dict(type="WordPiece", prefix="##", cleanup=True),
      model=dict(type="WordPiece", unk_token="[UNK]", continuing_subword_prefix="##", max_input_chars_per_word=10, vocab={"[UNK]": 0, "a": 1, "##b": 2, "##bc": 3, "it": 4, "'": 5}))
write("suffix.json", pre_tokenizer=dict(type="Split", pattern=dict(String=" "), behavior="Removed"), decoder=dict(type="BPEDecoder", suffix="</w>"),
      model=bpe(["a b</w>"], ["a", "b", "a</w>", "b</w>", "ab</w>"], end_of_word_suffix="</w>", continuing_subword_prefix=""))
write("wordlevel.json", pre_tokenizer=dict(type="Split", pattern=dict(String=" "), behavior="Contiguous"),
      model=dict(type="WordLevel", unk_token="u", vocab={"u": 0, "a": 1, "Hello": 2}))

start = piece("<unk>", 0, 2) + piece("<s>", 0, 3) + piece("</s>", 0, 3)
rest = piece("▁", -1) + piece("a", -2) + piece("b", -3) + piece("ab", -1.5) + piece("▁ab", -2.5) + piece("usr", 0, 4) + piece("old", 0, 5)
every_byte = b"".join(piece("<0x%02X>" % i, 0, 6) for i in range(256))
for name, data in (("unigram.model", start + rest + message(2, value(3, 1)) + message(3, message(1, b"identity") + value(3, 1) + value(4, 1) + value(5, 1))),
                   ("bpe.model", start + rest + every_byte + message(2, value(3, 2) + value(35, 1)) + message(3, message(1, b"identity") + value(3, 1) + value(4, 0) + value(5, 1)))):
    with open(os.path.join(OUT, name), "wb") as f:
        f.write(data)

LIKELY = ["<unk>", "<s>", "</s>", "▁", "a", "b", "ab", "▁ab"], [2, 3, 3, 1, 1, 1, 1, 1], [0.0, 0.0, 0.0, -1.0, -2.0, -3.0, -1.0, -2.0]
vocabulary("llama.gguf", "llama", *LIKELY)
vocabulary("t5.gguf", "t5", *LIKELY)
vocabulary("gpt2.gguf", "gpt2", WORDS, [1] * len(WORDS), None, ["a b", "l o"], "bloom")

for i, s in enumerate(["Hello world, it's 12345!\n\n  x", "naïve café e\u0301\u0323 ﬁ Å 한국 日本語 👩‍👩‍👧", "   \t\r\n a  b", "<s>foo</s> [MASK] don't '' ", "1234567890123", "AbcDEF'LL"]):
    with open(os.path.join(TEXT, f"{i}.txt"), "w") as f:
        f.write(s)
with open(os.path.join(TEXT, "bytes.txt"), "wb") as f:
    f.write(bytes(range(256)))
