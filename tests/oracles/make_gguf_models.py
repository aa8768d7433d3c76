#!/usr/bin/env python3
"""make_gguf_models.py -- the models of tests/lm as GGUF files, and models in quantised types, checked with llama.cpp.

    python tests/oracles/make_gguf_models.py [--out tests/lm] [name ...]

A folder made by make_language_models.py gets a model.gguf beside it: the same numbers under the names, in the order and with the
settings that llama.cpp's converter writes, so that the same arrays are expected of it. The models of QUANTISED have a folder of
their own: what is expected there is computed from the numbers that the package `gguf` decodes, rounded to bf16.

llama.cpp loads each file, too, and must come near: its own logits carry the rounding of its kernels, which the quantised types add to.
"""

import argparse
import ctypes
import json
import shutil
from pathlib import Path

import gguf
import llama_cpp
import numpy as np
import torch
import transformers as tf
from safetensors.numpy import load_file

from make_language_models import LENGTH, WORDS, random_weights, save

PLAIN = ["llama", "llama_linear", "llama3", "llama_yarn", "llama_head_size", "qwen2", "gpt2", "bert"]
TYPES = {"q8_0": "Q8_0", "q4_0": "Q4_0", "q4_k": "Q4_K", "q6_k": "Q6_K"}
QUANTISED = {"quant_" + name: kind for name, kind in TYPES.items()}
ARCH = {"llama": "llama", "mistral": "llama", "qwen2": "qwen2", "gpt2": "gpt2", "bert": "bert"}


def permuted(w, heads):
    """A head's halves as neighbouring pairs, as the converter orders Llama's queries and keys."""
    return w.reshape(heads, 2, w.shape[0] // heads // 2, *w.shape[1:]).swapaxes(1, 2).reshape(w.shape)


def gguf_tensors(arch, config, weights):
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH[arch.upper()], config.get("num_hidden_layers", config.get("n_layer")))
    heads, groups = config.get("num_attention_heads"), config.get("num_key_value_heads")
    for name, w in weights.items():
        if "pooler" in name or "position_ids" in name or name.endswith((".attn.bias", ".attn.masked_bias")):
            continue
        if arch == "llama" and name.endswith(("q_proj.weight", "q_proj.bias")):
            w = permuted(w, heads)
        if arch == "llama" and name.endswith(("k_proj.weight", "k_proj.bias")):
            w = permuted(w, groups)
        if arch == "gpt2" and name.endswith((".c_attn.weight", ".c_proj.weight", ".c_fc.weight")):
            w = w.T
        if name == "lm_head.weight" and config.get("tie_word_embeddings"):
            continue
        to = names.get_name(name, try_suffixes=(".weight", ".bias"))
        assert to, name
        yield to, np.ascontiguousarray(w)
    scaling = config.get("rope_scaling") or {}
    if scaling.get("rope_type") == "llama3":
        yield "rope_freqs.weight", llama3_factors(config, scaling)


def llama3_factors(config, s):
    """What the converter divides each pair's frequency by."""
    dim = config["head_dim"]
    freqs = 1.0 / config["rope_theta"] ** (np.arange(0, dim, 2, dtype=np.float32) / dim)
    trained = s["original_max_position_embeddings"]
    longest, shortest = trained / s["low_freq_factor"], trained / s["high_freq_factor"]
    out = []
    for f in freqs:
        wave = 2 * np.pi / f
        mix = (trained / wave - s["low_freq_factor"]) / (s["high_freq_factor"] - s["low_freq_factor"])
        out.append(1 if wave < shortest else s["factor"] if wave > longest else 1 / ((1 - mix) / s["factor"] + mix))
    return np.array(out, np.float32)


def add_settings(w, arch, c):
    w.add_context_length(c.get("max_position_embeddings", c.get("n_positions")))
    w.add_embedding_length(c.get("hidden_size", c.get("n_embd")))
    w.add_block_count(c.get("num_hidden_layers", c.get("n_layer")))
    w.add_feed_forward_length(c.get("intermediate_size", c.get("n_inner")) or 4 * c["n_embd"])
    heads = c.get("num_attention_heads", c.get("n_head"))
    w.add_head_count(heads)
    w.add_vocab_size(c["vocab_size"])
    if arch in ("gpt2", "bert"):
        w.add_layer_norm_eps(c.get("layer_norm_epsilon", c.get("layer_norm_eps")))
    if arch == "bert":
        w.add_causal_attention(False)
        w.add_token_type_count(c["type_vocab_size"])
        w.add_pooling_type(gguf.PoolingType.NONE)
    if arch not in ("llama", "qwen2"):
        return
    w.add_head_count_kv(c["num_key_value_heads"])
    w.add_layer_norm_rms_eps(c["rms_norm_eps"])
    head = c.get("head_dim") or c["hidden_size"] // heads
    w.add_key_length(head)
    w.add_value_length(head)
    w.add_rope_dimension_count(head)
    w.add_rope_freq_base(c["rope_theta"])
    s = c.get("rope_scaling") or {}
    if s.get("rope_type") in ("linear", "yarn"):
        w.add_rope_scaling_type(gguf.RopeScalingType(s["rope_type"]))
        w.add_rope_scaling_factor(s["factor"])
        if s["rope_type"] == "yarn":
            w.add_rope_scaling_orig_ctx_len(s["original_max_position_embeddings"])


def no_vocabulary(w):
    w.add_tokenizer_model("no_vocab")


def write(path, config, weights, kind=None, words=no_vocabulary):
    arch = ARCH[config["model_type"]]
    w = gguf.GGUFWriter(path, arch)
    add_settings(w, arch, config)
    words(w)
    for name, x in gguf_tensors(arch, config, weights):
        kept = kind if kind and x.ndim == 2 else None
        w.add_tensor(name, quantised(x, kept) if kept else x.astype(np.float32), raw_dtype=gguf.GGMLQuantizationType[kept] if kept else None)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def quantised(x, kind):
    """Rows in blocks of a type, by llama.cpp, which alone writes all of them."""
    number, rows = gguf.GGMLQuantizationType[kind], np.ascontiguousarray(x, np.float32)
    size = gguf.GGML_QUANT_SIZES[number]
    out = np.zeros((x.shape[0], x.shape[1] // size[0] * size[1]), np.uint8)
    ggml = ctypes.CDLL(str(Path(llama_cpp.__file__).parent / "lib" / "libggml-base.so"))
    ggml.ggml_quantize_chunk.restype = ctypes.c_size_t
    ggml.ggml_quantize_chunk.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64,
                                         ctypes.c_int64, ctypes.c_void_p]
    n = ggml.ggml_quantize_chunk(int(number), rows.ctypes.data, out.ctypes.data, 0, x.shape[0], x.shape[1], None)
    assert n == out.nbytes
    return out


def decoded(path):
    """The file's tensors as the package decodes them; what was in blocks is rounded to bf16."""
    out = {}
    for t in gguf.GGUFReader(path).tensors:
        x = gguf.dequantize(t.data, t.tensor_type).astype(np.float32)
        if t.tensor_type != gguf.GGMLQuantizationType.F32:
            x = torch.from_numpy(x.copy()).bfloat16().float().numpy()
        out[t.name] = x.reshape([int(d) for d in reversed(t.shape)])
    return out


def llama_logits(path, ids):
    """What llama.cpp makes of each row of ids: logits of a decoder, embeddings of an encoder."""
    encoder = path.parent.name.startswith("bert")
    out = []
    for row in ids:
        m = llama_cpp.Llama(str(path), n_ctx=64, n_batch=64, n_ubatch=64, logits_all=not encoder, embedding=encoder, verbose=False,
                            n_threads=1, type_k=0, type_v=0, pooling_type=llama_cpp.LLAMA_POOLING_TYPE_NONE)
        if encoder:
            batch = llama_cpp.llama_batch_init(64, 0, 1)
            batch.n_tokens = len(row)
            for i, token in enumerate(row):
                batch.token[i], batch.pos[i], batch.n_seq_id[i], batch.logits[i] = int(token), i, 1, 1
                batch.seq_id[i][0] = 0
            assert llama_cpp.llama_encode(m.ctx, batch) == 0
            n = llama_cpp.llama_model_n_embd(m.model)
            out.append(np.stack([np.ctypeslib.as_array(llama_cpp.llama_get_embeddings_ith(m.ctx, i), (n,)).copy() for i in range(len(row))]))
        else:
            m.eval([int(t) for t in row])
            out.append(m.scores[: len(row)].copy())
        m.close()
    return np.stack(out)


def compare(name, got, want, least):
    difference = np.abs(got - want).max() / np.abs(want).max()
    print(f"{name}: llama.cpp differs by {difference:.2e}")
    assert difference < least, name


def plain(folder):
    config = json.loads((folder / "config.json").read_text())
    weights = load_file(folder / "model.safetensors")
    write(folder / "model.gguf", config, weights)
    if folder.name == "bert":  # llama.cpp knows no types but the first, and no padding
        ids = np.load(folder / "input_ids.npy")[:1]
        model = tf.BertModel.from_pretrained(folder).eval()
        with torch.no_grad():
            want = model(torch.from_numpy(ids)).last_hidden_state.numpy()
    else:
        ids, want = np.load(folder / "ids.npy"), np.load(folder / "logits.npy")
    compare(folder.name, llama_logits(folder / "model.gguf", ids), want, 2e-3)


def quantised_model(folder, kind):
    """Rows are two blocks of 32 long, or one of 256; one layer of a Llama is enough to have every kind of matrix."""
    n = max(64, gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[kind]][0])
    config = tf.LlamaConfig(vocab_size=WORDS, hidden_size=n, num_hidden_layers=1, intermediate_size=n, max_position_embeddings=64,
                            num_attention_heads=4, num_key_value_heads=1, head_dim=n // 4, tie_word_embeddings=True)
    config._attn_implementation = "eager"
    model = tf.LlamaForCausalLM(config).float().eval()
    random_weights(model, sum(map(ord, kind)))
    folder.mkdir(exist_ok=True)
    write(folder / "model.gguf", config.to_dict(), {k: v.numpy() for k, v in model.state_dict().items()}, kind)
    kept = decoded(folder / "model.gguf")
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, 1)
    with torch.no_grad():
        for name, p in model.named_parameters():
            x = kept[names.get_name(name, try_suffixes=(".weight",))]
            heads = {"q_proj.weight": 4, "k_proj.weight": 1}.get(name.split("self_attn.")[-1])
            if heads:  # neighbouring pairs as halves again
                x = x.reshape(heads, x.shape[0] // heads // 2, 2, -1).swapaxes(1, 2).reshape(x.shape)
            p.copy_(torch.from_numpy(x.copy()))
        ids = np.random.default_rng(1).integers(0, WORDS, (3, LENGTH))
        logits = model.double()(torch.from_numpy(ids), use_cache=False).logits.numpy().astype(np.float32)
    save(ids.astype(np.int64), folder / "ids.npy")
    save(logits, folder / "logits.npy")
    compare(folder.name, llama_logits(folder / "model.gguf", ids), logits, 0.05)


# ---- seeds for the fuzzers ----

NANO = dict(vocab_size=11, num_hidden_layers=1, max_position_embeddings=8)
LLAMA = dict(NANO, hidden_size=8, intermediate_size=6, num_attention_heads=2, num_key_value_heads=1)
SEEDS = {
    "llama": lambda: tf.LlamaConfig(**LLAMA, head_dim=4, rope_scaling={"rope_type": "llama3", "factor": 2.0, "low_freq_factor": 1.0,
                                                                     "high_freq_factor": 4.0, "original_max_position_embeddings": 4}),
    "qwen2": lambda: tf.Qwen2Config(**LLAMA, use_sliding_window=True, sliding_window=3, max_window_layers=0, tie_word_embeddings=True,
                                    rope_scaling={"rope_type": "yarn", "factor": 2.0, "original_max_position_embeddings": 4}),
    "gpt2": lambda: tf.GPT2Config(vocab_size=11, n_positions=8, n_embd=8, n_layer=1, n_head=2),
    "bert": lambda: tf.BertConfig(**NANO, hidden_size=8, num_attention_heads=2, intermediate_size=6),
}
WIDE = {"q8_0": "Q8_0", "q4_0": "Q4_0"}


def vocabulary(w):
    """Enough of a vocabulary as SentencePiece makes them."""
    words = ["<unk>", "<s>", "</s>", "<0x0A>", "\u2581", "a", "b", "ab", "\u2581ab", "c", "\u00e9"]
    w.add_tokenizer_model("llama")
    w.add_token_list(words)
    w.add_token_scores([-float(i) for i in range(len(words))])
    w.add_token_types([2, 3, 3, 6] + [1] * 7)
    w.add_bos_token_id(1)
    w.add_eos_token_id(2)
    w.add_add_space_prefix(True)


def seeds(out):
    for kind in ("gguf", "folder"):
        (out / kind).mkdir(parents=True, exist_ok=True)
    for name, config in SEEDS.items():
        torch.manual_seed(1)
        model = (tf.BertModel if name == "bert" else tf.AutoModelForCausalLM.from_config)(config()).float()
        model.save_pretrained(out / name)
        settings, tensors = (out / name / "config.json").read_bytes(), (out / name / "model.safetensors").read_bytes()
        write(out / "gguf" / f"{name}.gguf", json.loads(settings), load_file(out / name / "model.safetensors"))
        (out / "folder" / name).write_bytes(settings + b"\xff" + tensors)
        shutil.rmtree(out / name)
    for name, kind in WIDE.items():
        model = tf.LlamaForCausalLM(tf.LlamaConfig(**{**LLAMA, "hidden_size": 32, "intermediate_size": 32}))
        write(out / "gguf" / f"{name}.gguf", model.config.to_dict(), {k: v.numpy() for k, v in model.state_dict().items()}, kind, vocabulary)


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--out", type=Path, default=Path("tests/lm"))
    p.add_argument("--seeds", type=Path, metavar="FOLDER", help="make the fuzzers' seeds alone, in tests/fuzz/corpus")
    p.add_argument("name", nargs="*")
    a = p.parse_args()
    if a.seeds:
        return seeds(a.seeds)
    for name in a.name or PLAIN + list(QUANTISED):
        if name in QUANTISED:
            quantised_model(a.out / name, QUANTISED[name])
        else:
            plain(a.out / name)


if __name__ == "__main__":
    main()
