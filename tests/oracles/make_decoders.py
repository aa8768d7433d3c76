#!/usr/bin/env python3
"""make_decoders.py -- the decoders of tests/lm as ONNX, by both PyTorch exporters, with a past and without.

    python tests/oracles/make_decoders.py [--out tests/decoders] [--corpus FOLDER] [name ...]

A name is MODEL.EXPORTER or MODEL.EXPORTER_past, MODEL being a folder of tests/lm, whose ids.npy and logits.npy are what the export
must compute: ONNX Runtime is asked first. Inputs and outputs are called as optimum calls them.
"""

import argparse
import itertools
import shutil
import warnings
from pathlib import Path

import numpy as np
import onnxruntime
import torch
import transformers as tf
from export_models import EXPORTERS, Causal, Export, Wrapper, strip_notes, traceable_masks

warnings.filterwarnings("ignore")
LM = Path(__file__).resolve().parent.parent / "lm"

# What is kept: each model once at least, and of each exporter both kinds.
KEPT = ["llama.torchscript_past", "llama.dynamo", "llama.opset23_past", "llama_tied_bias.dynamo_past", "llama_head_size.dynamo_past",
        "llama_linear.torchscript", "llama_dynamic.torchscript_past", "llama3.dynamo_past", "llama_yarn.dynamo", "mistral_window.torchscript_past",
        "mistral_window.dynamo", "qwen2.dynamo_past", "qwen2_window.dynamo_past", "gpt2.torchscript", "gpt2.dynamo_past", "gpt2_wide.torchscript_past"]


def with_past(layers):
    """Plain tensors in, plain tensors out, each with a name of its own, as the exporters want them."""
    past = [f"{x}{i}" for i in range(layers) for x in ("key", "value")]

    def run(self, input_ids, attention_mask, position_ids, past):
        cache = tf.DynamicCache.from_legacy_cache(tuple(zip(past[::2], past[1::2])))
        out = self.model(input_ids=input_ids, attention_mask=attention_mask, position_ids=position_ids, past_key_values=cache,
                         use_cache=True)
        return (out.logits, *itertools.chain(*out.past_key_values.to_legacy_cache()))

    names = ", ".join(past)
    scope = {"run": run}
    exec(f"def forward(self, input_ids, attention_mask, position_ids, {names}):\n"
         f"    return run(self, input_ids, attention_mask, position_ids, [{names}])", scope)
    return type("WithPast", (Wrapper,), {"forward": scope["forward"]})


def head_of(config):
    heads = config.num_attention_heads
    return getattr(config, "num_key_value_heads", heads), getattr(config, "head_dim", None) or config.hidden_size // heads


def describe(config, past, opset):
    words = config.vocab_size
    if not past:
        return Export(Causal, None, {"input_ids": ("batch", "seq"), "attention_mask": ("batch", "seq")}, {"logits": ("batch", "seq", words)}, opset)
    heads, size = head_of(config)
    names = [f"{i}.{x}" for i in range(config.num_hidden_layers) for x in ("key", "value")]
    inputs = {"input_ids": ("batch", "seq"), "attention_mask": ("batch", "total"), "position_ids": ("batch", "seq")}
    inputs |= {f"past_key_values.{n}": ("batch", heads, "past", size) for n in names}
    outputs = {"logits": ("batch", "seq", words)} | {f"present.{n}": ("batch", heads, "total", size) for n in names}
    return Export(with_past(config.num_hidden_layers), None, inputs, outputs, opset)


def example(export):
    sizes = {"batch": 2, "seq": 5, "past": 4, "total": 9}
    if "position_ids" not in export.inputs:
        sizes["total"] = 5
    make = {"input_ids": torch.int64, "attention_mask": torch.int64, "position_ids": torch.int64}
    return tuple(torch.ones([sizes.get(d, d) for d in dims], dtype=make.get(n, torch.float32)) for n, dims in export.inputs.items())



def check(path, folder, export):
    ids, want = np.load(folder / "ids.npy"), np.load(folder / "logits.npy")
    session = onnxruntime.InferenceSession(str(path))
    n = ids.shape[1]
    feed = {"input_ids": ids, "attention_mask": np.ones_like(ids), "position_ids": np.tile(np.arange(n), (len(ids), 1))}
    for name, dims in export.inputs.items():
        if name.startswith("past"):
            feed[name] = np.zeros((len(ids), dims[1], 0, dims[3]), np.float32)
    got = session.run(["logits"], {i.name: feed[i.name] for i in session.get_inputs()})[0]
    error = np.abs(got - want).max() / np.abs(want).max()
    if not error < 2e-5:
        raise SystemExit(f"{path}: ONNX Runtime and transformers differ by {error:.1e}")


def make(name, out):
    model_name, how = name.split(".")
    exporter, _, past = how.partition("_")
    path = out / name / "model.onnx"
    shutil.rmtree(path.parent, ignore_errors=True)
    path.parent.mkdir(parents=True)
    attention = "sdpa" if exporter == "opset23" else "eager"
    model = tf.AutoModelForCausalLM.from_pretrained(LM / model_name, attn_implementation=attention).float().eval()
    opset = {"torchscript": 17, "dynamo": 23 if exporter == "opset23" else 18}
    export = describe(model.config, past, opset)
    with torch.no_grad(), traceable_masks():
        EXPORTERS["torchscript" if exporter == "torchscript" else "dynamo"](export, export.wrapper(model).eval(), example(export), path)
    strip_notes(path)
    shutil.copy(LM / model_name / "config.json", path.parent)
    check(path, LM / model_name, export)
    print(f"{name}: {path.stat().st_size} bytes", flush=True)


# -- graphs of the corpus ----------------------------------------------------------------------------------------------

CORPUS = {"gpt2_past": ("gpt2_past.onnx", 20, 8), "tiny_random_gpt2": ("tiny-random-gpt2/past.onnx", 1000, 12)}  # words, positions


def step(session, token, past):
    """One token of each sequence; the past is what came out before."""
    n, feed = past[0].shape[3] + 1, dict(zip((i.name for i in session.get_inputs() if i.name.startswith("past")), past))
    types = {"tensor(int64)": np.int64, "tensor(int32)": np.int32}
    values = {"input_ids": token, "position_ids": np.full_like(token, n - 1), "attention_mask": np.ones((len(token), n), np.int64)}
    feed |= {i.name: values[i.name].astype(types[i.type]) for i in session.get_inputs() if i.name in values}
    first, *past = session.run(None, feed)
    return first, past


def steps_of_corpus(name, corpus, out):
    """What ONNX Runtime gives token by token, with its own past fed back."""
    file, words, length = CORPUS[name]
    session = onnxruntime.InferenceSession(str(corpus / "exported-onnx" / file))
    ids = np.random.default_rng(3).integers(0, words, (3, length))
    past = [np.zeros((2, 3, i.shape[2], 0, i.shape[4]), np.float32) for i in session.get_inputs() if i.name.startswith("past")]
    logits = []
    for i in range(length):
        first, past = step(session, ids[:, i:i + 1], past)
        logits.append(first)
    (out / name).mkdir(parents=True, exist_ok=True)
    np.save(out / name / "ids.npy", ids.astype(np.int64))
    np.save(out / name / "logits.npy", np.concatenate(logits, 1))


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--out", type=Path, default=LM.parent / "decoders")
    p.add_argument("--corpus", type=Path, help="make the references for the graphs found there instead")
    p.add_argument("name", nargs="*")
    a = p.parse_args()
    for name in a.name or (CORPUS if a.corpus else KEPT):
        steps_of_corpus(name, a.corpus, a.out) if a.corpus else make(name, a.out)


if __name__ == "__main__":
    main()
