#!/usr/bin/env python3
"""corpus_references.py -- records ONNX Runtime's answers for the exported models of the corpus, which stay outside.

    LATHE_CORPUS=... python tests/oracles/corpus_references.py [--out tests/models/corpus]
"""

import argparse
from pathlib import Path

import numpy as np
import oracle_data

SIZES = {
    "gpt2_past": [{"batch_size": 2, "seq_len": 5}, {"batch_size": 1, "seq_len": 7}],
    "bert_toy_optimized": [{"batch": 2, "max_seq_len_in_batch": 7}, {"batch": 3, "max_seq_len_in_batch": 5}],
    "tiny_random_gpt2": [{"batch_size": 2, "seq_len": 3, "past_seq_len": 4},
                         {"batch_size": 1, "seq_len": 6, "past_seq_len": 0},
                         {"batch_size": 2, "seq_len": 1, "past_seq_len": 8}],
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=oracle_data.MODELS / "corpus")
    out = parser.parse_args().out
    for name, (path, vocab) in oracle_data.corpus_models().items():
        session = oracle_data.open_session(path)
        specs = oracle_data.session_inputs(session)
        for i, sizes in enumerate(SIZES[name]):
            inputs = oracle_data.make_inputs(specs, sizes, np.random.default_rng(7 + i), vocab)
            outputs = oracle_data.run(session, inputs)
            oracle_data.write_data_set(out / name / f"test_data_set_{i}", inputs, outputs)
        print(f"{name}: {len(SIZES[name])} data sets")


if __name__ == "__main__":
    main()
