#!/usr/bin/env python3
"""compare_live.py -- runs every model on fresh random inputs through ONNX Runtime and through lathe, and compares.

    python tests/oracles/compare_live.py build/release/lathe [--seed N] [--only TEXT]

Another comparison is another generator of Results, and a row in CHECKS.
"""

import argparse
import re
import secrets
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import oracle_data

TOLERANCE = {"float32": 1e-4, "float64": 1e-4, "float16": 1e-2}
LARGEST_DIM = 6  # the smallest position table of the corpus has 8 rows
SECONDS = 120


class Result(NamedTuple):
    name: str
    verdict: str  # passed, failed, skipped
    note: str


# -- comparing ---------------------------------------------------------------------------------------------------------


def cosine(a, b):
    norms = np.linalg.norm(a) * np.linalg.norm(b)
    return float(a @ b / norms) if norms else float(np.array_equal(a, b))


def compare_tensor(got, want):
    """(error in tolerances, note), by the rule that the whole project uses. Up to 1 is agreement."""
    if got.dtype != want.dtype or got.shape != want.shape:
        return np.inf, f"{got.dtype}{list(got.shape)} where {want.dtype}{list(want.shape)} was expected"
    if want.dtype.name not in TOLERANCE:
        wrong = int((got != want).sum())
        return wrong and np.inf, f"{wrong} of {want.size} differ"
    finite = np.isfinite(want)
    if not np.array_equal(got[~finite], want[~finite], equal_nan=True) or not np.isfinite(got[finite]).all():
        return np.inf, "NaN or Inf in other places"
    a, b = got[finite].astype(np.float64), want[finite].astype(np.float64)
    error = np.abs(a - b).max(initial=0) / (np.abs(b).max(initial=0) or 1)
    return error / TOLERANCE[want.dtype.name], f"error {error:.1e} cosine {cosine(a, b):.7f}"


def compare_outputs(got, want):
    """Verdict and note of the worst output."""
    worst, name = max((compare_tensor(got[name], b), name) for name, b in want.items())
    return "passed" if worst[0] <= 1 else "failed", f"{name}: {worst[1]}"


# -- lathe eval against ONNX Runtime -----------------------------------------------------------------------------------


def lathe_eval(lathe, model, inputs, want):
    """{output name: array}, or the text of what went wrong."""
    with tempfile.TemporaryDirectory() as folder:
        command = [lathe, "eval", str(model), "--out-dir", folder]
        for i, (name, value) in enumerate(inputs.items()):
            np.save(f"{folder}/input_{i}.npy", value)
            command += ["--in", f"{name}={folder}/input_{i}.npy"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=SECONDS)
        except subprocess.TimeoutExpired:
            return f"no answer in {SECONDS} s"
        if done.returncode:
            return f"exit status {done.returncode}: {done.stderr.strip()[-400:]}"
        files = {name: Path(folder, re.sub(r"[^A-Za-z0-9_.-]", "_", name) + ".npy") for name in want}
        missing = [name for name, path in files.items() if not path.exists()]
        return f"no output {missing}" if missing else {name: np.load(path) for name, path in files.items()}


def eval_model(lathe, rng, name, path, vocab):
    session = oracle_data.open_session(path)
    specs = oracle_data.session_inputs(session)
    sizes = {s: int(rng.integers(1, LARGEST_DIM + 1)) for s in oracle_data.symbols(specs)}
    inputs = oracle_data.make_inputs(specs, sizes, rng, vocab)
    want = oracle_data.run(session, inputs)
    got = lathe_eval(lathe, path, inputs, want)
    verdict, note = ("failed", got) if isinstance(got, str) else compare_outputs(got, want)
    return Result(name, verdict, f"{note} at {' '.join(f'{k}={v}' for k, v in sizes.items())}")


def check_own_models(lathe, rng):
    example = oracle_data.REPOSITORY / "examples" / "model" / "decoder.onnx"
    for path in [*sorted(oracle_data.MODELS.glob("*/model.onnx")), example]:
        yield eval_model(lathe, rng, str(path.parent.relative_to(oracle_data.REPOSITORY)), path, oracle_data.VOCAB)


def check_corpus_models(lathe, rng):
    for name, (path, vocab) in oracle_data.corpus_models().items():
        yield eval_model(lathe, rng, name, path, vocab) if path.exists() else Result(name, "skipped", "no corpus")


CHECKS = {
    "eval": check_own_models,
    "eval-corpus": check_corpus_models,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("lathe")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    parser.add_argument("--only", default="", help="only the checks whose name contains this")
    args = parser.parse_args()
    print(f"seed {args.seed}")
    count = dict.fromkeys(("passed", "failed", "skipped"), 0)
    for check, results in CHECKS.items():
        if args.only not in check:
            continue
        for r in results(args.lathe, np.random.default_rng(args.seed)):
            count[r.verdict] += 1
            print(f"{r.verdict:7} {check} {r.name}: {r.note}", flush=True)
    print(", ".join(f"{n} {verdict}" for verdict, n in count.items()))
    return count["failed"] > 0


if __name__ == "__main__":
    sys.exit(main())
