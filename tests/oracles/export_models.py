#!/usr/bin/env python3
"""export_models.py -- exports tiny random transformers to ONNX with both PyTorch exporters, with reference data sets.

    python tests/oracles/export_models.py [--out tests/models] [name ...]

Every model is written as <out>/<family>_<exporter>/model.onnx with data sets that differ in every dynamic dimension.
The expected outputs come from ONNX Runtime, and must agree with PyTorch before they are kept.
"""

import argparse
import itertools
import logging
import shutil
import warnings
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

import numpy as np
import onnx
import oracle_data
import torch
import transformers as tf
from oracle_data import VOCAB
from transformers import masking_utils

warnings.filterwarnings("ignore")
logging.getLogger("torch.onnx").setLevel(logging.ERROR)
SIZES = [{"batch": 2, "seq": 7, "past": 4, "source": 6}, {"batch": 3, "seq": 5, "past": 9, "source": 11}]
CACHE_SIZES = [{"batch": 1, "seq": 6, "past": 0}, {"batch": 2, "seq": 1, "past": 8}]  # as in prefill, as in decode


# -- wrappers: plain tensors in, plain tensors out ---------------------------------------------------------------------


class Wrapper(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model


class Causal(Wrapper):
    def forward(self, input_ids, attention_mask):
        return self.model(input_ids=input_ids, attention_mask=attention_mask, use_cache=False).logits


class CausalPast(Wrapper):
    def forward(self, input_ids, attention_mask, position_ids, key0, value0, key1, value1):
        cache = tf.DynamicCache.from_legacy_cache(((key0, value0), (key1, value1)))
        out = self.model(input_ids=input_ids, attention_mask=attention_mask, position_ids=position_ids,
                         past_key_values=cache, use_cache=True)
        return (out.logits, *itertools.chain(*out.past_key_values.to_legacy_cache()))


class Bert(Wrapper):
    def forward(self, input_ids, attention_mask, token_type_ids):
        out = self.model(input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids)
        return out.last_hidden_state, out.pooler_output


class T5Encoder(Wrapper):
    def forward(self, input_ids, attention_mask):
        return self.model.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state


class T5Decoder(Wrapper):
    def forward(self, decoder_input_ids, encoder_hidden_states, encoder_attention_mask):
        return self.model(decoder_input_ids=decoder_input_ids, encoder_outputs=(encoder_hidden_states,),
                          attention_mask=encoder_attention_mask, use_cache=False).logits


class WhisperEncoder(Wrapper):
    def forward(self, input_features):
        return self.model.model.encoder(input_features=input_features).last_hidden_state


class WhisperDecoder(Wrapper):
    def forward(self, decoder_input_ids, encoder_hidden_states):
        return self.model(decoder_input_ids=decoder_input_ids, encoder_outputs=(encoder_hidden_states,),
                          use_cache=False).logits


# -- the families ------------------------------------------------------------------------------------------------------


def llama(**more):  # grouped queries, three heads over one
    return tf.LlamaForCausalLM(tf.LlamaConfig(
        vocab_size=VOCAB, hidden_size=24, intermediate_size=36, num_hidden_layers=2, num_attention_heads=3,
        num_key_value_heads=1, max_position_embeddings=64, **more))


def qwen2():  # biases on q, k and v, tied embeddings
    return tf.Qwen2ForCausalLM(tf.Qwen2Config(
        vocab_size=VOCAB, hidden_size=24, intermediate_size=36, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=64, tie_word_embeddings=True))


def gemma2():  # soft caps, a sliding window in layer 0, head_dim that is not hidden / heads
    return tf.Gemma2ForCausalLM(tf.Gemma2Config(
        vocab_size=VOCAB, hidden_size=12, intermediate_size=20, num_hidden_layers=2, num_attention_heads=6,
        num_key_value_heads=2, head_dim=8, query_pre_attn_scalar=10, sliding_window=4, attn_logit_softcapping=5.0,
        final_logit_softcapping=3.0, max_position_embeddings=64))


def gpt2():  # packed qkv, tanh gelu, learned positions
    return tf.GPT2LMHeadModel(tf.GPT2Config(
        vocab_size=VOCAB, n_embd=20, n_layer=2, n_head=5, n_inner=44, n_positions=32))


def bert():  # erf gelu, post-norm, pooler
    return tf.BertModel(tf.BertConfig(
        vocab_size=VOCAB, hidden_size=30, intermediate_size=44, num_hidden_layers=2, num_attention_heads=3,
        max_position_embeddings=32))


def t5():  # relative position buckets, gated gelu, no attention scale, inner width that is not d_model
    return tf.T5ForConditionalGeneration(tf.T5Config(
        vocab_size=VOCAB, d_model=20, d_kv=6, d_ff=36, num_layers=2, num_heads=3, relative_attention_num_buckets=8,
        relative_attention_max_distance=12, feed_forward_proj="gated-gelu", tie_word_embeddings=False))


def whisper():  # convolutions, fixed audio length, k without bias
    return tf.WhisperForConditionalGeneration(tf.WhisperConfig(
        vocab_size=VOCAB, d_model=24, encoder_layers=2, decoder_layers=2, encoder_attention_heads=3,
        decoder_attention_heads=3, encoder_ffn_dim=40, decoder_ffn_dim=40, num_mel_bins=10, max_source_positions=15,
        max_target_positions=32, pad_token_id=0, bos_token_id=1, eos_token_id=2, decoder_start_token_id=1,
        suppress_tokens=None, begin_suppress_tokens=None))


@dataclass
class Export:
    wrapper: type
    build: object
    inputs: dict  # name: dims; a dim that is a string is dynamic
    outputs: dict  # name: dims
    opset: dict = field(default_factory=lambda: {"torchscript": 17, "dynamo": 18})


def causal(build, **more):
    return Export(Causal, build, {"input_ids": ("batch", "seq"), "attention_mask": ("batch", "seq")},
                  {"logits": ("batch", "seq", VOCAB)}, **more)


def causal_past(build, heads, head_dim, **more):
    names = [f"{i}.{x}" for i in range(2) for x in ("key", "value")]
    past = {f"past_key_values.{n}": ("batch", heads, "past", head_dim) for n in names}
    present = {f"present.{n}": ("batch", heads, "total", head_dim) for n in names}
    inputs = {"input_ids": ("batch", "seq"), "attention_mask": ("batch", "total"),
              "position_ids": ("batch", "seq")}
    return Export(CausalPast, build, inputs | past, {"logits": ("batch", "seq", VOCAB)} | present, **more)


EXPORTS = {
    "llama": causal(llama),
    "llama_past": causal_past(llama, 1, 8),
    # Attention, RMSNormalization and RotaryEmbedding appear. Only with positions given: without, the exporter's
    # RotaryEmbedding has tables of batch 1, which the standard does not broadcast and ONNX Runtime refuses.
    "llama_past_opset23": causal_past(llama, 1, 8, opset={"dynamo": 23}),
    "qwen2": causal(qwen2),
    "gemma2": causal(gemma2),
    "gpt2": causal(gpt2),
    "gpt2_past": causal_past(gpt2, 5, 4),
    "bert": Export(Bert, bert, {"input_ids": ("batch", "seq"), "attention_mask": ("batch", "seq"),
                                "token_type_ids": ("batch", "seq")},
                   {"last_hidden_state": ("batch", "seq", 30), "pooler_output": ("batch", 30)}),
    "t5_encoder": Export(T5Encoder, t5, {"input_ids": ("batch", "source"),
                                         "attention_mask": ("batch", "source")},
                         {"last_hidden_state": ("batch", "source", 20)}),
    "t5_decoder": Export(T5Decoder, t5, {"decoder_input_ids": ("batch", "seq"),
                                         "encoder_hidden_states": ("batch", "source", 20),
                                         "encoder_attention_mask": ("batch", "source")},
                         {"logits": ("batch", "seq", VOCAB)}),
    "whisper_encoder": Export(WhisperEncoder, whisper, {"input_features": ("batch", 10, 30)},
                              {"last_hidden_state": ("batch", 15, 24)}),
    "whisper_decoder": Export(WhisperDecoder, whisper, {"decoder_input_ids": ("batch", "seq"),
                                                        "encoder_hidden_states": ("batch", 15, 24)},
                              {"logits": ("batch", "seq", VOCAB)}),
}


# -- weights and inputs ------------------------------------------------------------------------------------------------


def randomize(model, seed):
    """Replace the tame initial weights: every bias, norm and head is to make a visible difference."""
    gen = torch.Generator().manual_seed(seed)
    for name, p in sorted(model.named_parameters()):
        noise = torch.randn(p.shape, generator=gen)
        if p.dim() > 1:
            p.data = noise / (p.shape[-1] ** 0.5)
        elif name.endswith("bias"):
            p.data = 0.2 * noise
        else:
            p.data = p.data + 0.2 * noise
    return model.eval()


def example_inputs(export):
    """What the exporters trace with. Only the shapes matter, and that no dynamic dimension is 0 or 1."""
    specs = [(n, np.int64 if n.endswith(("ids", "mask")) else np.float32, dims) for n, dims in export.inputs.items()]
    inputs = oracle_data.make_inputs(specs, SIZES[0], np.random.default_rng(0), VOCAB)
    return tuple(map(torch.from_numpy, inputs.values()))


def dynamic_axes(dims):
    return {i: d for i, d in enumerate(dims) if isinstance(d, str)}


# -- exporting ---------------------------------------------------------------------------------------------------------


def traceable_masks():
    """Replace the vmap in Transformers' mask code, which neither exporter can follow, by broadcasting."""
    def mask_by_broadcast(mask_function, bh_indices=True):
        return lambda b, h, q, k: mask_function(b[:, None, None, None], h[:, None, None], q[:, None], k)
    return mock.patch.multiple(masking_utils, _vmap_for_bhqkv=mask_by_broadcast, TransformGetItemToIndex=nullcontext)


def export_torchscript(export, model, args, path):
    axes = {n: dynamic_axes(dims) for n, dims in export.inputs.items()}
    axes |= {n: dynamic_axes(dims) for n, dims in export.outputs.items()}
    with mock.patch.object(masking_utils, "find_packed_sequence_indices", lambda position_ids: None):  # aten::diff
        torch.onnx.export(model, args, str(path), dynamo=False, opset_version=export.opset["torchscript"],
                          input_names=list(export.inputs), output_names=list(export.outputs), dynamic_axes=axes)


def export_dynamo(export, model, args, path):
    shapes = tuple(dynamic_axes(dims) for dims in export.inputs.values())
    program = torch.onnx.export(model, args, dynamo=True, opset_version=export.opset["dynamo"], verbose=False,
                                input_names=list(export.inputs), output_names=list(export.outputs),
                                dynamic_shapes=shapes)
    program.save(str(path), external_data=False)


EXPORTERS = {"torchscript": export_torchscript, "dynamo": export_dynamo}


def strip_notes(path):
    """Drop doc strings and stack traces, which outweigh the graph. Names stay."""
    model = onnx.load(path)
    graphs = [model.graph, *model.functions]
    for thing in itertools.chain(graphs, *(g.node for g in graphs), model.graph.initializer, model.graph.value_info,
                                 model.graph.input, model.graph.output):
        thing.ClearField("doc_string")
        thing.ClearField("metadata_props")
    model.ClearField("metadata_props")
    onnx.checker.check_model(model)
    onnx.save(model, path)


# -- references --------------------------------------------------------------------------------------------------------


def check_close(name, got, want):
    error = np.abs(got - want).max() / np.abs(want).max()
    if got.shape != want.shape or not error < 2e-5:
        raise SystemExit(f"{name}: ONNX Runtime and PyTorch differ by {error:.1e}")


def write_references(model, path):
    session = oracle_data.open_session(path)
    specs = oracle_data.session_inputs(session)
    for i, sizes in enumerate(SIZES + CACHE_SIZES if "past" in oracle_data.symbols(specs) else SIZES):
        inputs = oracle_data.make_inputs(specs, sizes, np.random.default_rng(7 + i), VOCAB)
        outputs = oracle_data.run(session, inputs)
        with torch.no_grad():
            want = model(*map(torch.from_numpy, inputs.values()))
        for (name, got), expected in zip(outputs.items(), want if isinstance(want, tuple) else (want,), strict=True):
            check_close(f"{path}: {name}", got, expected.numpy())
        oracle_data.write_data_set(path.parent / f"test_data_set_{i}", inputs, outputs)


def write_export(name, exporter, out):
    export, path = EXPORTS[name], out / f"{name}_{exporter}" / "model.onnx"
    shutil.rmtree(path.parent, ignore_errors=True)
    path.parent.mkdir(parents=True)
    model = randomize(export.wrapper(export.build()), seed=1)
    with torch.no_grad(), traceable_masks():
        EXPORTERS[exporter](export, model, example_inputs(export), path)
    strip_notes(path)
    write_references(model, path)
    print(f"{path.parent.name}: {path.stat().st_size} bytes", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=oracle_data.MODELS)
    parser.add_argument("names", nargs="*", help="models to export (default: all)")
    args = parser.parse_args()
    for name in args.names or EXPORTS:
        for exporter in EXPORTS[name].opset:
            write_export(name, exporter, args.out)


if __name__ == "__main__":
    main()
