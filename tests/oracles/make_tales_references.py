#!/usr/bin/env python3
"""make_tales_references.py -- what transformers goes on with for the models of examples/tales, the likeliest token each time.

    python tests/oracles/make_tales_references.py [--out tests/tales] [--case DIR]

Writes greedy.txt: a line per prompt, which is the model's folder, the prompt's tokens and those that follow, up to the end or 160.
Computed in f32 from the weights as they are stored. Where the two likeliest tokens are nearly as likely the text may part from
ours through rounding alone, so a prompt with such a place is cut short before it. --case makes, for each model, a folder that test_lm takes.
"""

import argparse
import shutil
from pathlib import Path

import numpy as np
import torch
import transformers as tf

EXAMPLES = Path(__file__).parents[2] / "examples"
NEAR, LONGEST = 2e-3, 160
PLAIN = ["Once upon a time", "There was once a grumpy", "The Fox and the Lantern\n\n", "One day a", "Far away, where nobody"]
CHAT = ["Tell me a story about a fox and a lantern.", "tell me a story about a dinosaur", "A story about courage, please.", "Who are you?",
        "What is the capital of France?"]


def prompts(tokenizer):
    for text in PLAIN:
        yield tokenizer(text)["input_ids"]
    for text in CHAT:
        yield tokenizer.apply_chat_template([{"role": "user", "content": text}], add_generation_prompt=True)


def greedy(model, prompt, end):
    """generate's tokens behind the prompt, up to the first place where it is a near thing."""
    out = model.generate(torch.tensor([prompt]), attention_mask=torch.ones(1, len(prompt), dtype=torch.long), do_sample=False, temperature=None,
                         top_p=None, max_new_tokens=LONGEST, output_logits=True, return_dict_in_generate=True)
    said = out.sequences[0, len(prompt):].tolist()
    for i, logits in enumerate(out.logits):
        best = logits[0].topk(2).values
        if best[0] - best[1] < NEAR:
            return said[:i]
    return said[:-1] if said[-1] == end else said


def write_case(folder, source, model):
    ids = torch.randint(5, model.config.vocab_size, (3, 40), generator=torch.Generator().manual_seed(1))
    ids[0] = torch.tensor(tf.AutoTokenizer.from_pretrained(source)("Once upon a time there was a fox called Pip. " * 8)["input_ids"][:40])
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("config.json", "model.safetensors"):
        shutil.copy(source / name, folder / name)
    np.save(folder / "ids.npy", ids.numpy())
    with torch.no_grad():
        np.save(folder / "logits.npy", model.double()(ids).logits.float().numpy())


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "tales")
    arguments.add_argument("--case", type=Path)
    a = arguments.parse_args()
    a.out.mkdir(exist_ok=True)
    with open(a.out / "greedy.txt", "w", encoding="utf-8") as f:
        for name in ("tales", "tales/draft"):
            model = tf.AutoModelForCausalLM.from_pretrained(EXAMPLES / name, dtype=torch.float32)
            tokenizer = tf.AutoTokenizer.from_pretrained(EXAMPLES / name)
            for prompt in prompts(tokenizer):
                said = greedy(model, prompt, tokenizer.eos_token_id)
                print(name, ",".join(map(str, prompt)), ",".join(map(str, said)), file=f)
            if a.case:
                write_case(a.case / name.replace("/", "_"), EXAMPLES / name, model)


if __name__ == "__main__":
    main()
