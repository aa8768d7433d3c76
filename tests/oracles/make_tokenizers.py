"""make_tokenizers.py -- trains tokenizers of every kind, and says what their own libraries make of texts.

    make_tokenizers.py make                       writes tests/tokenizers: small ones, strings, and their tokens
    make_tokenizers.py compare MANY [N] [NAME..]  trains larger ones, and compares build/dev/tests/tokenize_many on all of WikiText-2 and on
                                             N random strings (200000) over the characters of Unicode 8, ids and decoded text
    make_tokenizers.py bench MANY                 holds its speed, on one thread, against that of Hugging Face's tokenizers

The texts are the corpus' (LATHE_CORPUS). Unicode 8 is the oldest version involved: Hugging Face's tokenizers know punctuation by it.
"""
import base64, glob, json, os, random, struct, subprocess, sys, tempfile, time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
import sentencepiece

HERE = os.path.dirname(os.path.abspath(__file__))
TEXT = os.path.join(os.environ.get("LATHE_CORPUS", os.path.join(HERE, "../../../shared/corpus")), "text")
FILES = [os.path.join(TEXT, "tinyshakespeare.txt"), os.path.join(TEXT, "wikitext-2.valid.txt")]

SPACES = r"|\s*[\r\n]+|\s+(?!\S)|\s+"
CASE = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
UPPER, LOWER = r"\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}", r"\p{Ll}\p{Lm}\p{Lo}\p{M}"

# What models cut texts by.
PATTERNS = {
    "llama3": [CASE + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*" + SPACES],
    "qwen2": [CASE + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*" + SPACES],
    "gpt4o": [rf"[^\r\n\p{{L}}\p{{N}}]?[{UPPER}]*[{LOWER}]+{CASE}?|[^\r\n\p{{L}}\p{{N}}]?[{UPPER}]+[{LOWER}]*{CASE}?"
              r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*" + SPACES],
    "deepseek3": [r"\p{N}{1,3}", "[一-龥぀-ゟ゠-ヿ]+",
                  r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*" + SPACES],
    "deepseek_coder": [r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", "[一-龥ࠀ-一가-퟿]+"],
    "cl100k": [r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s*[\r\n]|\s+(?!\S)|\s+"],
    "superbpe": [r"\p{N}+", r"(?=(\d{3})+(?!\d))"],
    "kimi": [rf"[\p{{Han}}]+|[^\r\n\p{{L}}\p{{N}}]?[{UPPER}&&[^\p{{Han}}]]*[{LOWER}&&[^\p{{Han}}]]+{CASE}?"
             rf"|[^\r\n\p{{L}}\p{{N}}]?[{UPPER}&&[^\p{{Han}}]]+[{LOWER}&&[^\p{{Han}}]]*{CASE}?|\p{{N}}{{1,3}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*" + SPACES],
    "bloom": [r" ?[^(\s|.,!?…。，、।۔،)]+"],
}

Level, Split, Metaspace = pre_tokenizers.ByteLevel, pre_tokenizers.Split, pre_tokenizers.Metaspace


def save(t, folder, name, change=None):
    path = os.path.join(folder, name + ".json")
    t.save(path, pretty=False)
    if change:
        j = json.load(open(path, encoding="utf8"))
        change(j)
        json.dump(j, open(path, "w", encoding="utf8"), ensure_ascii=False)


def bpe(folder, name, n, pre, normalizer=None, decoder=None, post=None, special=("<|end|>",), letters=True, change=None, model={}, **train):
    t = Tokenizer(models.BPE(**model))
    if normalizer:
        t.normalizer = normalizer
    t.pre_tokenizer = pre
    t.decoder = decoder or decoders.ByteLevel()
    if post:
        t.post_processor = post
    t.train(FILES, trainers.BpeTrainer(vocab_size=n, special_tokens=list(special), show_progress=False,
                                       initial_alphabet=Level.alphabet() if letters else [], **train))
    save(t, folder, name, change)


def llama2(j):
    j["pre_tokenizer"] = None
    j["post_processor"] = {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
                           "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
                           "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}}}
    j["added_tokens"] = [a for a in j["added_tokens"] if not a["content"].startswith("<0x")]


def unigram(folder, name, n, normalizer, pre, change=None):
    t = Tokenizer(models.Unigram())
    if normalizer:
        t.normalizer = normalizer
    t.pre_tokenizer = pre
    t.decoder = decoders.Metaspace()
    t.train(FILES, trainers.UnigramTrainer(vocab_size=n, special_tokens=["<pad>", "</s>", "<unk>"], unk_token="<unk>", show_progress=False))
    save(t, folder, name, change)


def pieces(folder, name, n, **how):
    sentencepiece.SentencePieceTrainer.train(input=FILES, model_prefix=os.path.join(folder, name), vocab_size=n, minloglevel=2, num_threads=1,
                                             input_sentence_size=20000, shuffle_input_sentence=False, max_sentence_length=100000, **how)
    os.remove(os.path.join(folder, name + ".vocab"))


def charsmap(folder):
    """SentencePiece's own table of characters, nmt_nfkc."""
    with open(os.path.join(folder, "sp_unigram.model"), "rb") as f:
        data = f.read()
    from sentencepiece import sentencepiece_model_pb2
    return base64.b64encode(sentencepiece_model_pb2.ModelProto.FromString(data).normalizer_spec.precompiled_charsmap).decode()


def train(folder, n, small):
    bpe(folder, "gpt2", n, Level(add_prefix_space=False))
    bpe(folder, "roberta", n, Level(add_prefix_space=True), special=["<s>", "</s>", "<mask>"], post=processors.RobertaProcessing(("</s>", 1), ("<s>", 0)))
    for name, patterns in PATTERNS.items():
        steps = [Split(Regex(p), "isolated") for p in patterns]
        if name == "deepseek_coder":
            steps.append(pre_tokenizers.Digits(individual_digits=True))
        bpe(folder, name, n, pre_tokenizers.Sequence(steps + [Level(add_prefix_space=False, use_regex=False)]),
            normalizer=normalizers.NFC() if name == "qwen2" else None, model={"ignore_merges": True} if name == "llama3" else {})
    bpe(folder, "starcoder", n, pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), Level(add_prefix_space=False)]))
    bpe(folder, "falcon", n, pre_tokenizers.Sequence([pre_tokenizers.Punctuation("contiguous"), Split(Regex("[0-9][0-9][0-9]"), "isolated"), Level(add_prefix_space=False)]))
    bpe(folder, "llama2", n, Metaspace(prepend_scheme="never"), normalizer=normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]),
        decoder=decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]),
        special=["<unk>", "<s>", "</s>"] + ["<0x%02X>" % i for i in range(256)], letters=False, change=llama2,
        model={"unk_token": "<unk>", "fuse_unk": True, "byte_fallback": True})
    bpe(folder, "clip", n, Split(Regex(r"'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+"), "removed", invert=True), letters=False,
        normalizer=normalizers.Sequence([normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]),
        model={"unk_token": "<unk>", "end_of_word_suffix": "</w>"}, special=["<unk>"], decoder=decoders.BPEDecoder(), end_of_word_suffix="</w>")
    for name, how in (("bert_uncased", dict(lowercase=True)), ("bert_cased", dict(lowercase=False, strip_accents=False))):
        t = Tokenizer(models.WordPiece(unk_token="[UNK]"))
        t.normalizer, t.pre_tokenizer, t.decoder = normalizers.BertNormalizer(**how), pre_tokenizers.BertPreTokenizer(), decoders.WordPiece()
        t.train(FILES, trainers.WordPieceTrainer(vocab_size=n, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"], show_progress=False))
        t.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
        save(t, folder, name)
    unigram(folder, "unigram_nfkc", n, normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")]), Metaspace())
    unigram(folder, "albert", n, normalizers.Sequence([normalizers.Replace("``", '"'), normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase(), normalizers.Strip()]),
            pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), Metaspace(prepend_scheme="always")]))
    pieces(folder, "sp_bpe", n, model_type="bpe", byte_fallback=True, normalization_rule_name="identity", remove_extra_whitespaces=False, split_digits=True,
           allow_whitespace_only_pieces=True)
    pieces(folder, "sp_suffix", n, model_type="unigram", treat_whitespace_as_suffix=True, normalization_rule_name="identity")
    if small:
        return
    pieces(folder, "sp_unigram", n, model_type="unigram")
    pieces(folder, "sp_unigram_bytes", n, model_type="unigram", byte_fallback=True, normalization_rule_name="nmt_nfkc_cf", user_defined_symbols=["<sep>"])
    pieces(folder, "sp_bpe_user", n, model_type="bpe", user_defined_symbols=["<sep>", "foo"], normalization_rule_name="nfkc")
    table = charsmap(folder)
    unigram(folder, "xlm_roberta", n, None, Metaspace(), change=lambda j: j.update(normalizer={"type": "Precompiled", "precompiled_charsmap": table}))


# ---- what libraries say ----


def library(path, texts):
    if path.endswith(".json"):
        t = Tokenizer.from_file(path)
        ids = [t.encode(x, add_special_tokens=False).ids for x in texts]
        return [(i, t.decode(i, skip_special_tokens=True).encode()) for i in ids]
    t = sentencepiece.SentencePieceProcessor(model_file=path)
    ids = [t.encode(x) for x in texts]
    return [(i, t.decode(i).encode()) for i in ids]


def lathe(many, path, texts):
    data = b"".join(struct.pack("<I", len(t)) + t for t in (x.encode() for x in texts))
    said = subprocess.run([many, path], input=data, stdout=subprocess.PIPE, check=True).stdout
    at, out = 0, []
    for _ in texts:
        n, = struct.unpack_from("<I", said, at)
        ids = list(struct.unpack_from(f"<{n}i", said, at + 4))
        size, = struct.unpack_from("<I", said, at + 4 + 4 * n)
        at += 8 + 4 * n
        out.append((ids, said[at:at + size]))
        at += size
    return out


def characters():
    """Those assigned in Unicode 8, but for private ones: Perl knows their ages."""
    perl = r'for my $c (1..0x10FFFF) { next if $c >= 0xD800 && $c < 0xE000; my $s = chr $c; print "$c\n" if $s =~ /\p{Present_In: 8.0}/ && $s =~ /[^\p{Cn}\p{Co}]/ }'
    return [int(x) for x in subprocess.run(["perl", "-e", perl], stdout=subprocess.PIPE, check=True).stdout.split()]


def random_strings(n, seed):
    r, every = random.Random(seed), characters()
    common = [chr(c) for c in range(32, 127)] + ["\n", "\r", "\t", "  ", "\r\n", "\u00a0", "\u3000", "▁", "\u2028", "'s", "e\u0301", "the "]
    out = []
    for _ in range(n):
        rare = r.choice([0, .1, .5, 1])
        out.append("".join(chr(r.choice(every)) if r.random() < rare else r.choice(common) for _ in range(r.choice([1, 2, 3, 5, 8, 13, 30]))))
    return out


def compare(many, n, names):
    bad = 0
    with tempfile.TemporaryDirectory() as folder:
        train(folder, 3000, False)
        texts = [open(os.path.join(TEXT, f"wikitext-2.{part}.txt"), encoding="utf8", newline="").read() for part in ("test", "valid")] + random_strings(n, 7)
        for path in sorted(glob.glob(folder + "/*")):
            if names and os.path.basename(path).split(".")[0] not in names:
                continue
            mine = texts if path.endswith(".json") else [line for t in texts for line in t.split("\n")]  # its sums are in f32
            pairs = list(zip(mine, lathe(many, path, mine), library(path, mine)))
            ids, text = sum(a[0] != b[0] for _, a, b in pairs), sum(a[1] != b[1] for _, a, b in pairs if a[0] == b[0])
            print(f"{os.path.basename(path):28s} {len(mine)} texts: {ids} differ in tokens, {text} more in text", flush=True)
            for t, a, b in [p for p in pairs if p[1] != p[2]][:3]:
                print("   ", ascii(t)[:120], a[0][:12], b[0][:12], a[1][:40], b[1][:40])
            bad += ids + text
    return bad


# ---- the small ones ----

STRINGS = ["", " ", "  ", "Hello world", " Hello  world ", "It's 12345.67, isn't it? I'LL GO", "\n\n \n\t\tx\r\n", "naïve café Ünïcödé", "e\u0301a\u0308\u0323o\u0302",
           "ﬁ ½ Ａ ｶﾞ ㎏ ①", "日本語のテキスト", "中文，标点。", "한국어 조선말", "\u1100\u1161\u11a8", "हिन्दी में", "😀👩‍👩‍👧🇩🇪 ok", "<s>not a sign</s>", "a\u0000b", "foo_bar(baz)[0] += 1;",
           "    indented\n        more", "'s't're've'm'll'd", "ALLCAPS CamelCase mixedCASE", "1234567890", "…—“quotes”", "x" * 40, "ab" * 30, "▁already▁marked", "\u00a0nbsp\u3000wide",
           "İıŞß", "\u200b\u200d\ufeff", "A\u0301\u0327\u0323", "the cat sat on the mat .", "do n't ca n't", "\ud7ff\ue000\U0010ffff"]


def make(folder=os.path.join(HERE, "../tokenizers")):
    os.makedirs(folder, exist_ok=True)
    for old in glob.glob(folder + "/*"):
        os.remove(old)
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as f:  # a few pages will do
        f.write(open(FILES[0], encoding="utf8").read(60000))
        f.flush()
        FILES[:] = [f.name]
        train(folder, 400, True)
    for path in sorted(glob.glob(folder + "/*")):
        with open(path + ".expected", "w") as f:
            for text, (ids, back) in zip(STRINGS, library(path, STRINGS)):
                print(text.encode().hex() or "-", back.hex() or "-", *ids, file=f)


def bench(many):
    text = open(os.path.join(TEXT, "wikitext-2.test.txt"), encoding="utf8", newline="").read()
    lines = text.splitlines(keepends=True)
    with tempfile.TemporaryDirectory() as folder:
        train(folder, 3000, False)
        for path in sorted(glob.glob(folder + "/*")):
            ours = subprocess.run([many, path, "--time", "5"], input=text.encode(), stdout=subprocess.PIPE, check=True).stdout.decode().strip()
            t = Tokenizer.from_file(path) if path.endswith(".json") else sentencepiece.SentencePieceProcessor(model_file=path)
            best = 1e9
            for _ in range(3):
                start = time.perf_counter()
                for line in lines:  # the whole as one text takes them longer
                    t.encode(line)
                best = min(best, time.perf_counter() - start)
            size = len(text.encode())
            print(f"{os.path.basename(path):28s} lathe {ours}; its library {size / best * 1e-6:.1f} MB/s, {best:.3f} s", flush=True)


if __name__ == "__main__":
    what = sys.argv[1] if len(sys.argv) > 1 else ""
    if what == "make":
        make()
    elif what == "compare":
        sys.exit(compare(sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 200000, sys.argv[4:]) > 0)
    elif what == "bench":
        bench(sys.argv[2])
    else:
        sys.exit(__doc__)
