#!/usr/bin/env python3
"""compare_programs.py -- programs as `lathe build` writes them against ONNX Runtime: time, and peak anonymous memory.

    compare_programs.py LATHE MODEL.onnx... [--shape 1x128]... [--threads N]... [--rounds 9] [--runs 5] [--least 1.15]

Each model is built with --cpu native. Program and peer then take turns: the program is started, and both run so many times;
a turn counts as its fastest run, and the figure is the median of the turns' ratios. Anonymous memory (RssAnon) is sampled all
the while, of the peer from before it loads the model. One JSON object a line; status 1 where a figure is below --least, or
the program needs more memory than the peer.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

PEER = Path(__file__).resolve().parent / "peer_onnxruntime.py"


class Watch(threading.Thread):
    """The most anonymous memory that a process has had, in bytes."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.status, self.peak = Path(f"/proc/{pid}/status"), 0
        self.start()

    def run(self):
        while True:
            try:
                found = re.search(r"RssAnon:\s*(\d+) kB", self.status.read_text())
            except (FileNotFoundError, ProcessLookupError):
                return
            if not found:
                return
            self.peak = max(self.peak, int(found[1]) * 1024)
            time.sleep(0.002)


class Peer:
    def __init__(self, model, shape, threads):
        words = [sys.executable, PEER, f"--threads={threads}", "model", f"--model={model}", f"--shape={shape}"]
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.watch = Watch(self.process.pid)
        self.about = json.loads(self.process.stdout.readline())

    def run(self):
        self.process.stdin.write("1\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def run_program(program, shape, threads, runs):
    batch, seq = shape.split("x")
    words = [program, "--random", "1", "-d", f"batch={batch}", "-d", f"seq={seq}", "-t", str(threads), "--repeat", str(runs)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    watch = Watch(process.pid)
    text = process.communicate()[0]
    found = re.search(r"([\d.]+) ms at best", text)
    if process.returncode or not found:
        sys.exit(f"{program} failed: {text}")
    return float(found[1]) / 1e3, watch.peak


def compare(program, model, shape, threads, args):
    peer, ratios, ours, memory = Peer(model, shape, threads), [], [], 0
    peer.run()
    for _ in range(args.rounds):
        seconds, peak = run_program(program, shape, threads, args.runs)
        ratios.append(min(peer.run() for _ in range(args.runs)) / seconds)
        ours.append(seconds)
        memory = max(memory, peak)
    peer.close()
    row = {"name": model.stem, "shape": shape, "dtype": "f32", "threads": threads, "value": statistics.median(ours) * 1e3, "unit": "ms",
           "peer": peer.about, "of_peer": round(statistics.median(ratios), 3), "least": round(min(ratios), 3),
           "anonymous": memory, "anonymous_of_peer": peer.watch.peak}
    print(json.dumps(row), flush=True)
    return row["of_peer"] >= args.least and memory < peer.watch.peak


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lathe")
    parser.add_argument("models", nargs="+", type=Path)
    parser.add_argument("--shape", action="append")
    parser.add_argument("--threads", "-t", action="append", type=int)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--least", type=float, default=0)
    args = parser.parse_args()
    good = True
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as folder:
        for model in args.models:
            program = Path(folder) / model.stem
            subprocess.run([args.lathe, "build", "-q", "--cpu", "native", "-o", program, model], check=True)
            for shape in args.shape or ["1x128", "1x512"]:
                for threads in args.threads or [1, 2]:
                    good &= compare(program, model, shape, threads, args)
    return not good


if __name__ == "__main__":
    sys.exit(main())
