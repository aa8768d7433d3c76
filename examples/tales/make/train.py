# train.py -- makes the tokenizer, trains a model of the tales, and writes a folder that transformers loads.
#
#   python train.py tokenizer                      the folder's tokenizer.json and its settings
#   python train.py tales | draft [--steps N]      a model; a run that was ended goes on from its last checkpoint
#   python train.py text                           heldout.txt, from seeds that training has not seen
#   python train.py measure                        the perplexity of heldout.txt
import argparse
import itertools
import math
import os
import random
import time

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

import tales

HERE = os.path.dirname(os.path.abspath(__file__))
FOLDER = os.path.dirname(HERE)
FOLDERS = {"tales": FOLDER, "draft": os.path.join(FOLDER, "draft")}
SPECIAL = ["<|begin|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>"]
BEGIN, END = 0, 1
VOCABULARY, CONTEXT = 1536, 1024
TEMPLATE = """{{ bos_token }}
{%- for message in messages %}
    {%- if message.role not in ['system', 'user', 'assistant'] %}
        {{- raise_exception('The tales know the roles system, user and assistant, and not ' + message.role) }}
    {%- endif %}
    {{- '<|' + message.role + '|>' + (message.content | trim) + '<|end|>' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|assistant|>' }}
{%- endif %}
"""
SHAPES = {
    "tales": dict(hidden_size=160, intermediate_size=352, num_hidden_layers=4, num_attention_heads=5, num_key_value_heads=1),
    "draft": dict(hidden_size=96, intermediate_size=256, num_hidden_layers=2, num_attention_heads=3, num_key_value_heads=1),
}
STEPS = {"tales": 560, "draft": 640}
BLOCK, BATCH = 192, 4096        # documents that are sorted by length together; tokens of a batch
HELD_OUT = 10 ** 9              # seeds from here on are of the held-out text


def document(i):
    return tales.document(random.Random(i))


# The tokenizer: byte-level BPE, learned from the tales and from what is said about them.

def plain(d):
    return d if isinstance(d, str) else "\n".join(m["content"] for m in d)


def make_tokenizer():
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    t.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=VOCABULARY, special_tokens=SPECIAL, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    t.train_from_iterator((plain(document(i)) for i in range(20000)), trainer)
    t.post_processor = processors.TemplateProcessing(single="<|begin|> $A", special_tokens=[("<|begin|>", BEGIN)])
    fast = PreTrainedTokenizerFast(tokenizer_object=t, bos_token=SPECIAL[BEGIN], eos_token=SPECIAL[END], pad_token=SPECIAL[END],
                                   model_max_length=CONTEXT, clean_up_tokenization_spaces=False)
    fast.chat_template = TEMPLATE
    for folder in FOLDERS.values():
        fast.save_pretrained(folder)


def tokens(tokenizer, d):
    if isinstance(d, str):
        return tokenizer(d)["input_ids"] + [END]
    return tokenizer.apply_chat_template(d)


# Batches: blocks of documents, each sorted by length, cut into batches, and these shuffled. Batch i is the same in every run.

def batches_of_block(tokenizer, block):
    rows = sorted((tokens(tokenizer, document(block * BLOCK + i))[:CONTEXT] for i in range(BLOCK)), key=len)
    batches, batch = [], []
    for row in rows:
        if batch and (len(batch) + 1) * len(row) > BATCH:
            batches.append(batch)
            batch = []
        batch.append(row)
    batches.append(batch)
    random.Random(block).shuffle(batches)
    return batches


def padded(rows):
    width = -(-max(map(len, rows)) // 32) * 32
    x = torch.full((len(rows), width), END)
    y = torch.full((len(rows), width), -100)
    for i, row in enumerate(rows):
        x[i, :len(row)] = torch.tensor(row)
        y[i, :len(row) - 1] = torch.tensor(row[1:])
    return x, y


def batches_from(tokenizer, block, first):
    for b in itertools.count(block):
        for i, rows in enumerate(batches_of_block(tokenizer, b)):
            if b > block or i >= first:
                yield b, i + 1, padded(rows)


# Muon (Jordan et al., 2024): a matrix's step is its momentum with all singular values brought near one.

def orthogonal(g):
    x = g / (g.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    flip = x.shape[-2] > x.shape[-1]
    x = x.mT if flip else x
    for _ in range(5):
        a = x @ x.mT
        x = 3.4445 * x + (-4.775 * a + 2.0315 * a @ a) @ x
    return x.mT if flip else x


class Muon(torch.optim.Optimizer):
    def __init__(self, params, lr, momentum=.95, decay=.01):
        super().__init__(params, dict(lr=lr, momentum=momentum, decay=decay))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            by_shape = {}
            for p in group["params"]:
                m = self.state[p].setdefault("m", torch.zeros_like(p))
                m.lerp_(p.grad, 1 - group["momentum"])
                by_shape.setdefault(p.shape, []).append((p, p.grad.lerp(m, group["momentum"])))
            for shape, ps in by_shape.items():
                scale = group["lr"] * max(1, shape[0] / shape[1]) ** .5
                for (p, _), step in zip(ps, orthogonal(torch.stack([g for _, g in ps]))):
                    p.mul_(1 - group["lr"] * group["decay"]).add_(step, alpha=-scale)


def rate(step, steps):
    """Warm up, stay, and go down to nothing over the last three tenths."""
    return min(1, (step + 1) / 60, (steps - step) / (.3 * steps))


def make_model(name):
    torch.manual_seed(0)
    return LlamaForCausalLM(LlamaConfig(vocab_size=VOCABULARY, max_position_embeddings=CONTEXT, tie_word_embeddings=True, rms_norm_eps=1e-5,
                                        bos_token_id=BEGIN, eos_token_id=END, pad_token_id=END, **SHAPES[name]))


def loss_of(model, inner, x, y):
    with torch.autocast("cpu", torch.bfloat16):
        hidden = inner(input_ids=x, use_cache=False).last_hidden_state
        keep = y.view(-1) >= 0
        logits = model.lm_head(hidden.view(-1, hidden.shape[-1])[keep])
    return torch.nn.functional.cross_entropy(logits.float(), y.view(-1)[keep])


def train(name, steps):
    tokenizer = AutoTokenizer.from_pretrained(FOLDER)
    model = make_model(name)
    matrices = [p for n, p in model.named_parameters() if p.ndim == 2 and "embed" not in n]
    others = [p for n, p in model.named_parameters() if p.ndim != 2 or "embed" in n]
    optimizers = [Muon(matrices, lr=.02), torch.optim.AdamW(others, lr=.006, betas=(.9, .98), weight_decay=0)]
    first_rates = [o.param_groups[0]["lr"] for o in optimizers]
    kept = os.path.join(HERE, name + ".checkpoint")
    step = block = at = 0
    if os.path.exists(kept):
        c = torch.load(kept)
        model.load_state_dict(c["model"])
        for o, state in zip(optimizers, c["optimizers"]):
            o.load_state_dict(state)
        step, block, at = c["step"], c["block"], c["at"]
    print(name, sum(p.numel() for p in model.parameters()), "parameters; step", step, "of", steps, flush=True)
    inner = torch.compile(model.model, dynamic=True)
    began, seen, total = time.time(), 0, 0.
    for block, at, (x, y) in batches_from(tokenizer, block, at):
        if step >= steps:
            break
        loss = loss_of(model, inner, x, y)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(others, 1)
        for o, r in zip(optimizers, first_rates):
            o.param_groups[0]["lr"] = r * rate(step, steps)
            o.step()
            o.zero_grad()
        step, seen, total = step + 1, seen + int((y >= 0).sum()), total + loss.item()
        if step % 5 == 0:
            print("step %d  loss %.4f  %d tokens/s" % (step, total / 5, seen / (time.time() - began)), flush=True)
            total = 0.
        if step % 20 == 0 or step == steps:
            state = dict(model=model.state_dict(), optimizers=[o.state_dict() for o in optimizers], step=step, block=block, at=at)
            torch.save(state, kept + ".new")
            os.replace(kept + ".new", kept)
    save(model, name)


def save(model, name):
    """In bf16; who goes on with a text ends where it says so."""
    folder = FOLDERS[name]
    model = model.to(torch.bfloat16)
    model.generation_config = GenerationConfig(bos_token_id=BEGIN, eos_token_id=END, pad_token_id=END, do_sample=True, temperature=.8, top_p=.95)
    model.save_pretrained(folder)


def held_out(count=60):
    """Tales as a book has them: all are new, though their sentences are not."""
    with open(os.path.join(FOLDER, "heldout.txt"), "w", encoding="utf-8") as f:
        f.write(tales.book(random.Random(HELD_OUT), count) + "\n")


def perplexity(model, ids):
    """Of consecutive windows of the context's length, each seen alone behind the first token."""
    total, count = 0., 0
    for at in range(0, len(ids), CONTEXT - 1):
        window = torch.tensor([[BEGIN] + ids[at:at + CONTEXT - 1]])
        with torch.no_grad():
            logits = model(window).logits[0, :-1].float()
        total += torch.nn.functional.cross_entropy(logits, window[0, 1:], reduction="sum").item()
        count += window.shape[1] - 1
    return math.exp(total / count), count


def measure():
    tokenizer = AutoTokenizer.from_pretrained(FOLDER)
    with open(os.path.join(FOLDER, "heldout.txt"), encoding="utf-8") as f:
        ids = tokenizer(f.read(), add_special_tokens=False)["input_ids"]
    for name, folder in FOLDERS.items():
        for dtype in (torch.float32, torch.bfloat16):
            print(name, dtype, "perplexity %.4f over %d tokens" % perplexity(AutoModelForCausalLM.from_pretrained(folder, dtype=dtype), ids))


def main():
    a = argparse.ArgumentParser()
    a.add_argument("what", choices=["tokenizer", "tales", "draft", "text", "measure"])
    a.add_argument("--steps", type=int)
    a = a.parse_args()
    if a.what in SHAPES:
        train(a.what, a.steps or STEPS[a.what])
    else:
        dict(tokenizer=make_tokenizer, text=held_out, measure=measure)[a.what]()


if __name__ == "__main__":
    main()
