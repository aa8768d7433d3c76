#!/usr/bin/env python3
"""make_encoder.py -- exports a BERT-base-shaped encoder with random weights by both PyTorch exporters.

    python tests/bench/make_encoder.py [--layers 12] [--attention sdpa|eager] FOLDER

writes FOLDER/encoder_torchscript.onnx and FOLDER/encoder_dynamo.onnx, with symbolic batch and length. What it needs is in
tests/oracles/requirements.txt. Weights are those of a fresh model: how long a run takes does not depend on them.
"""

import argparse
import sys
import warnings
from pathlib import Path

import torch
import transformers as tf

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "oracles"))
import export_models  # noqa: E402

warnings.filterwarnings("ignore")


class Encoder(torch.nn.Module):
    def __init__(self, layers, attention):
        super().__init__()
        config = tf.BertConfig(num_hidden_layers=layers)  # hidden 768, 12 heads, 3072 between
        config._attn_implementation = attention
        self.model = tf.BertModel(config, add_pooling_layer=False)

    def forward(self, input_ids, attention_mask):
        return self.model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state


EXPORT = export_models.Export(
    Encoder, None, {"input_ids": ("batch", "seq"), "attention_mask": ("batch", "seq")},
    {"last_hidden_state": ("batch", "seq", 768)})


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--attention", choices=("sdpa", "eager"), default="sdpa")
    parser.add_argument("folder", type=Path)
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(1)
    model = Encoder(args.layers, args.attention).eval()
    for exporter in EXPORT.opset:
        path = args.folder / f"encoder_{exporter}.onnx"
        with torch.no_grad(), export_models.traceable_masks():
            export_models.EXPORTERS[exporter](EXPORT, model, export_models.example_inputs(EXPORT), path)
        print(f"{path}: {path.stat().st_size} bytes", flush=True)


if __name__ == "__main__":
    main()
