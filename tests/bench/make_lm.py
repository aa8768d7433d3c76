#!/usr/bin/env python3
"""make_lm.py -- writes a decoder with random weights as a Hugging Face folder, and as a GGUF file with the same weights.

    python tests/bench/make_lm.py --shape 1b|135m --dtype f32|bf16|f16 FOLDER

writes FOLDER/lm_SHAPE_DTYPE/ and FOLDER/lm_SHAPE_DTYPE.gguf. What it needs is in requirements-llama.txt beside it. The shapes are
those of Llama 3.2 1B and SmolLM2 135M; how long a run takes does not depend on the weights. Norms are f32 in the GGUF file, as
llama.cpp wants them.
"""

import argparse
import json
from pathlib import Path

import gguf
import numpy as np

#        hidden, layers, heads, key heads, between, words, rope's base
SHAPES = {"1b": (2048, 16, 32, 8, 8192, 128256, 500000.0), "135m": (576, 30, 9, 3, 1536, 49152, 100000.0)}
STORED = {"f32": np.dtype("<f4"), "f16": np.dtype("<f2"), "bf16": np.dtype("<u2")}
TORCH = {"f32": "float32", "f16": "float16", "bf16": "bfloat16"}
KIND = {"f32": gguf.GGMLQuantizationType.F32, "f16": gguf.GGMLQuantizationType.F16, "bf16": gguf.GGMLQuantizationType.BF16}
CONTEXT = 8192


def tensors(shape):
    hidden, layers, heads, groups, between, words, _ = SHAPES[shape]
    head = hidden // heads
    yield "model.embed_tokens.weight", "token_embd.weight", (words, hidden)
    for i in range(layers):
        for ours, theirs, dims in (
            ("input_layernorm", "attn_norm", (hidden,)),
            ("self_attn.q_proj", "attn_q", (heads * head, hidden)),
            ("self_attn.k_proj", "attn_k", (groups * head, hidden)),
            ("self_attn.v_proj", "attn_v", (groups * head, hidden)),
            ("self_attn.o_proj", "attn_output", (hidden, heads * head)),
            ("post_attention_layernorm", "ffn_norm", (hidden,)),
            ("mlp.gate_proj", "ffn_gate", (between, hidden)),
            ("mlp.up_proj", "ffn_up", (between, hidden)),
            ("mlp.down_proj", "ffn_down", (hidden, between)),
        ):
            yield f"model.layers.{i}.{ours}.weight", f"blk.{i}.{theirs}.weight", dims
    yield "model.norm.weight", "output_norm.weight", (hidden,)


def numbers(rng, dims, dtype):
    """As they are stored: a norm's are near 1, a matrix's have the spread of a fresh layer."""
    x = np.ones(dims, np.float32) if len(dims) == 1 else rng.standard_normal(dims, np.float32) * np.float32(dims[-1] ** -0.5)
    return (x.view(np.uint32) >> 16).astype("<u2") if dtype == "bf16" else x.astype(STORED[dtype])


def write_folder(folder, shape, dtype):
    hidden, layers, heads, groups, between, words, base = SHAPES[shape]
    folder.mkdir(parents=True, exist_ok=True)
    config = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": hidden, "num_hidden_layers": layers,
              "num_attention_heads": heads, "num_key_value_heads": groups, "intermediate_size": between, "vocab_size": words,
              "rope_theta": base, "rms_norm_eps": 1e-5, "hidden_act": "silu", "tie_word_embeddings": True,
              "max_position_embeddings": CONTEXT, "torch_dtype": TORCH[dtype]}
    (folder / "config.json").write_text(json.dumps(config, indent=1))
    header, at = {}, 0
    for name, _, dims in tensors(shape):
        size = int(np.prod(dims)) * STORED[dtype].itemsize
        header[name] = {"dtype": dtype.upper(), "shape": dims, "data_offsets": (at, at + size)}
        at += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 64)
    rng = np.random.default_rng(1)
    with open(folder / "model.safetensors", "wb") as f:
        f.write(len(text).to_bytes(8, "little") + text)
        for _, _, dims in tensors(shape):
            f.write(numbers(rng, dims, dtype).tobytes())
    return 8 + len(text), header


def in_pairs(x, heads):
    """llama.cpp turns neighbours where Hugging Face turns halves."""
    return x.reshape(heads, 2, x.shape[0] // heads // 2, -1).swapaxes(1, 2).reshape(x.shape)


def write_gguf(path, data, start, header, shape, dtype):
    hidden, layers, heads, groups, between, words, base = SHAPES[shape]
    w = gguf.GGUFWriter(path, "llama")
    w.add_block_count(layers)
    w.add_context_length(CONTEXT)
    w.add_embedding_length(hidden)
    w.add_feed_forward_length(between)
    w.add_head_count(heads)
    w.add_head_count_kv(groups)
    w.add_rope_freq_base(base)
    w.add_layer_norm_rms_eps(1e-5)
    w.add_rope_dimension_count(hidden // heads)
    w.add_vocab_size(words)
    w.add_tokenizer_model("no_vocab")
    for name, theirs, dims in tensors(shape):
        x = np.memmap(data, STORED[dtype], "r", start + header[name]["data_offsets"][0], dims)
        if len(dims) == 1:
            w.add_tensor(theirs, np.ones(dims, np.float32))
            continue
        if "attn_q." in theirs or "attn_k." in theirs:
            x = in_pairs(x, heads if "attn_q" in theirs else groups)
        w.add_tensor(theirs, x.view(np.uint8) if dtype == "bf16" else x, raw_dtype=KIND[dtype])
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", choices=SHAPES, required=True)
    parser.add_argument("--dtype", choices=STORED, required=True)
    parser.add_argument("folder", type=Path)
    a = parser.parse_args()
    name = f"lm_{a.shape}_{a.dtype}"
    start, header = write_folder(a.folder / name, a.shape, a.dtype)
    partial = a.folder / f"{name}.gguf.partial"
    write_gguf(partial, a.folder / name / "model.safetensors", start, header, a.shape, a.dtype)
    partial.rename(a.folder / f"{name}.gguf")
    print(f"{a.folder / name}: {(a.folder / name / 'model.safetensors').stat().st_size} bytes", flush=True)


if __name__ == "__main__":
    main()
