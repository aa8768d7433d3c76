#!/usr/bin/env python3
"""make_embeddings.py -- vectors of texts as transformers computes them, for the model in tests/lm/bert and a small WordPiece tokenizer.

    python tests/oracles/make_embeddings.py        writes tests/embed/: tokenizer.json, lines.txt and <pooling>.txt
"""
import pathlib

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import BertModel

tests = pathlib.Path(__file__).resolve().parent.parent
out = tests / "embed"
letters = "abcdefghijklmnopqrstuvwxyz"
words = "[PAD] [UNK] [CLS] [SEP]".split() + list(letters) + ["##" + c for c in letters]
words += "the cat dog sat ran . , ##ed ##ing ##at an".split()
lines = ["The cat sat.", "A dog, barking", "the dogs ran and ran", "x", "Caf\u00e9, \u6f22!"]


def tokenizer():
    t = Tokenizer(models.WordPiece({w: i for i, w in enumerate(words)}, unk_token="[UNK]"))
    t.normalizer = normalizers.BertNormalizer(lowercase=True)
    t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    t.decoder = decoders.WordPiece()
    t.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    t.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]"])
    return t


def vector(states, pooling):
    return {"mean": states.mean(0), "cls": states[0], "last": states[-1]}[pooling.split("_")[0]]


def main():
    out.mkdir(exist_ok=True)
    t = tokenizer()
    t.save(str(out / "tokenizer.json"))
    (out / "lines.txt").write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    model = BertModel.from_pretrained(tests / "lm" / "bert").eval()
    with torch.no_grad():
        states = [model(torch.tensor([t.encode(line).ids])).last_hidden_state[0].double() for line in lines]
    for name in ("mean", "cls", "last", "mean_raw"):
        rows = [vector(s, name) for s in states]
        if not name.endswith("raw"):
            rows = [r / r.norm() for r in rows]
        (out / f"{name}.txt").write_text("".join(" ".join(f"{x:.9g}" for x in r.tolist()) + "\n" for r in rows))


main()
