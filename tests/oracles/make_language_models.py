#!/usr/bin/env python3
"""make_language_models.py -- tiny random language models as Hugging Face folders, with what transformers computes for them.

    python tests/oracles/make_language_models.py [--out tests/lm] [name ...]

A folder holds config.json and model.safetensors. Decoders have ids.npy [3, 40] and logits.npy [3, 40, words]; encoders have
input_ids.npy and attention_mask.npy [3, 24] and last_hidden_state.npy, where padding is 0. All in f32, computed in double.
"""

import argparse
import shutil
from pathlib import Path

import numpy as np
import torch
import transformers as tf

WORDS, LENGTH = 67, 40
SMALL = dict(vocab_size=WORDS, hidden_size=24, num_hidden_layers=2, intermediate_size=40, max_position_embeddings=64)


def llama(**more):
    return tf.LlamaConfig(**{**SMALL, "num_attention_heads": 6, "num_key_value_heads": 2, "tie_word_embeddings": False, **more})


MODELS = {
    "llama": lambda: llama(),
    "llama_tied_bias": lambda: llama(tie_word_embeddings=True, attention_bias=True, mlp_bias=True, num_attention_heads=3,
                                     num_key_value_heads=3),
    "llama_head_size": lambda: llama(head_dim=10, num_attention_heads=5, num_key_value_heads=1, rms_norm_eps=1e-3),
    "llama_linear": lambda: llama(rope_scaling={"rope_type": "linear", "factor": 2.5}),
    "llama_dynamic": lambda: llama(rope_scaling={"rope_type": "dynamic", "factor": 2.0}),
    "llama3": lambda: llama(head_dim=16, rope_theta=500000.0, rope_scaling={
        "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 16}),
    "llama_yarn": lambda: llama(head_dim=16, rope_scaling={"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16}),
    "mistral_window": lambda: tf.MistralConfig(**SMALL, num_attention_heads=6, num_key_value_heads=2, sliding_window=9,
                                               head_dim=8),
    "qwen2": lambda: tf.Qwen2Config(**SMALL, num_attention_heads=6, num_key_value_heads=3, tie_word_embeddings=True),
    "qwen2_window": lambda: tf.Qwen2Config(**{**SMALL, "num_hidden_layers": 3}, num_attention_heads=4, num_key_value_heads=2,
                                           use_sliding_window=True, sliding_window=7, max_window_layers=1),
    "gpt2": lambda: tf.GPT2Config(vocab_size=WORDS, n_positions=64, n_embd=24, n_layer=2, n_head=4),
    "gpt2_wide": lambda: tf.GPT2Config(vocab_size=WORDS, n_positions=48, n_embd=20, n_layer=2, n_head=5, n_inner=28,
                                       activation_function="gelu", layer_norm_epsilon=1e-3),
    "bert": lambda: tf.BertConfig(vocab_size=WORDS, hidden_size=24, num_hidden_layers=2, num_attention_heads=3,
                                  intermediate_size=36, max_position_embeddings=32),
    "bert_relu": lambda: tf.BertConfig(vocab_size=WORDS, hidden_size=20, num_hidden_layers=1, num_attention_heads=5,
                                       intermediate_size=24, max_position_embeddings=24, hidden_act="relu",
                                       layer_norm_eps=1e-6),
}


def random_weights(model, seed):
    """Norms and biases that are not 1 and 0, so that a forgotten one shows."""
    g = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in model.named_parameters():
            r = torch.randn(p.shape, generator=g)
            p.copy_(1 + 0.2 * r if p.ndim == 1 and "norm" in name.lower() or ".ln_" in name and name.endswith("weight")
                    else 0.15 * r if p.ndim == 1 else 0.35 * r / p.shape[-1] ** 0.25)


def save(array, path):
    np.save(path, np.ascontiguousarray(array))


def decoder(model, out, rng):
    ids = rng.integers(0, WORDS, (3, LENGTH))
    with torch.no_grad():
        logits = model(torch.from_numpy(ids), use_cache=False).logits
    save(ids.astype(np.int64), out / "ids.npy")
    save(logits.numpy().astype(np.float32), out / "logits.npy")


def encoder(model, out, rng):
    ids, mask = rng.integers(0, WORDS, (3, 24)), np.zeros((3, 24), np.int64)
    for i, n in enumerate((24, 17, 3)):
        mask[i, :n] = 1
    types = rng.integers(0, 2, (3, 24))
    with torch.no_grad():
        y = model(torch.from_numpy(ids), attention_mask=torch.from_numpy(mask), token_type_ids=torch.from_numpy(types))
    save(ids.astype(np.int64), out / "input_ids.npy")
    save(mask, out / "attention_mask.npy")
    save(types.astype(np.int64), out / "token_type_ids.npy")
    save((y.last_hidden_state.numpy() * mask[:, :, None]).astype(np.float32), out / "last_hidden_state.npy")
    save(y.pooler_output.numpy().astype(np.float32), out / "pooler_output.npy")


def make(name, out):
    config = MODELS[name]()
    config._attn_implementation = "eager"
    torch.manual_seed(1)
    model = (tf.BertModel if name.startswith("bert") else tf.AutoModelForCausalLM.from_config)(config).float().eval()
    random_weights(model, sum(map(ord, name)))
    shutil.rmtree(out, ignore_errors=True)
    model.save_pretrained(out)
    (out / "generation_config.json").unlink(missing_ok=True)
    model = model.double()
    rng = np.random.default_rng(len(name))
    (encoder if name.startswith("bert") else decoder)(model, out, rng)


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--out", type=Path, default=Path("tests/lm"))
    p.add_argument("name", nargs="*")
    a = p.parse_args()
    for name in a.name or MODELS:
        make(name, a.out / name)


if __name__ == "__main__":
    main()
