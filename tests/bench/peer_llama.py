#!/usr/bin/env python3
"""peer_llama.py -- llama.cpp, which does a slice of work when told (tests/bench/peer.c).

    peer_llama.py --threads=N rows --model=FILE.gguf --rows=ROWS --depth=DEPTH --wrap=WRAP --cache=f32|f16

A run is one call of ROWS rows. The first comes behind DEPTH positions that are already in the cache; the next behind it, and after
WRAP calls the cache is cut to DEPTH again. Logits of the last row are asked for.

The first line it writes is a JSON object that says what it is. Then each line it reads is a number of runs, and each it
writes the seconds that they took.
"""

import argparse
import ctypes
import json
import os
import sys
import time

import llama_cpp as ll

CHUNK = 512
REST = 0.03  # seconds: its threads spin for a while after their last work, and must disturb nobody else's slice


@ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)
def silent(level, text, data):
    pass


class Engine:
    def __init__(self, a):
        ll.llama_log_set(silent, ctypes.c_void_p(0))
        ll.llama_backend_init()
        self.model = ll.llama_model_load_from_file(os.fsencode(a.model), ll.llama_model_default_params())
        if not self.model:
            sys.exit(f"peer: llama.cpp cannot load {a.model}")
        p = ll.llama_context_default_params()
        p.n_ctx = a.depth + a.rows * a.wrap
        p.n_batch = p.n_ubatch = max(a.rows, CHUNK)
        p.n_threads = p.n_threads_batch = a.threads
        p.type_k = p.type_v = {"f32": ll.GGML_TYPE_F32, "f16": ll.GGML_TYPE_F16}[a.cache]
        self.context = ll.llama_init_from_model(self.model, p)
        self.words = ll.llama_vocab_n_tokens(ll.llama_model_get_vocab(self.model))
        self.batch = ll.llama_batch_init(max(a.rows, CHUNK), 0, 1)
        self.a, self.at, self.calls = a, 0, 0
        while self.at < a.depth:
            self.call(min(CHUNK, a.depth - self.at))

    def call(self, rows):
        b = self.batch
        b.n_tokens = rows
        for i in range(rows):
            b.token[i] = (self.at + i) * 7919 % self.words
            b.pos[i] = self.at + i
            b.n_seq_id[i] = 1
            b.seq_id[i][0] = 0
            b.logits[i] = i == rows - 1
        if ll.llama_decode(self.context, b) != 0:
            sys.exit("peer: llama.cpp failed")
        self.at += rows

    def run(self):
        if self.calls == self.a.wrap:
            ll.llama_memory_seq_rm(ll.llama_get_memory(self.context), 0, self.a.depth, -1)
            self.at, self.calls = self.a.depth, 0
        self.call(self.a.rows)
        self.calls += 1


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["rows"])
    parser.add_argument("--model", required=True)
    parser.add_argument("--cache", default="f16")
    for number in ("threads", "rows", "depth", "wrap"):
        parser.add_argument(f"--{number}", type=int, required=True)
    a = parser.parse_args()
    engine = Engine(a)
    flags = f"processor alone, n_threads={a.threads}, cache {a.cache}, flash attention auto"
    print(json.dumps({"name": "llama.cpp", "version": f"llama-cpp-python {ll.__version__}", "flags": flags}), flush=True)
    for line in sys.stdin:
        start = time.perf_counter()
        for _ in range(int(line)):
            engine.run()
        spent = time.perf_counter() - start
        time.sleep(REST)
        print(spent, flush=True)


if __name__ == "__main__":
    main()
