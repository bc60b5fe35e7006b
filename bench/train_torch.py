"""What bench/train.c measures, with PyTorch: the same sizes, the same batch, padded.

    python bench/train_torch.py [deberta]

Needs torch and transformers. Gradients are clipped and AdamW steps as there, without dropout.
"""
import sys
import time

import torch

sys.path.pop(0)  # a file here has the name of a package that transformers imports
import transformers

ROUNDS = 15
LENGTHS = [7 + s * s // 49 for s in range(32)]

sizes = dict(vocab_size=30522, hidden_size=384, num_hidden_layers=6, num_attention_heads=12,
             intermediate_size=1536, num_labels=2, hidden_dropout_prob=0.0,
             attention_probs_dropout_prob=0.0)
if sys.argv[1:] == ["deberta"]:
    config = transformers.DebertaV2Config(
        **sizes, relative_attention=True, pos_att_type=["p2c", "c2p"], share_att_key=True,
        position_buckets=256, norm_rel_ebd="layer_norm", position_biased_input=False,
        type_vocab_size=0)
else:
    config = transformers.BertConfig(**sizes)
ids = torch.zeros(len(LENGTHS), max(LENGTHS), dtype=torch.long)
mask = torch.zeros_like(ids)
for row, n in enumerate(LENGTHS):
    ids[row, :n] = torch.randint(1, config.vocab_size, (n,))
    mask[row, :n] = 1
labels = torch.arange(len(LENGTHS)) % 2

for n_threads in (1, 2):
    torch.set_num_threads(n_threads)
    model = transformers.AutoModelForSequenceClassification.from_config(config).train()
    adamw = torch.optim.AdamW(model.parameters(), lr=5e-5, weight_decay=0.01)
    times = {"there": [], "back": [], "clipping and AdamW": [], "all": [], "processors": []}
    for round in range(-1, ROUNDS):
        processors = time.process_time()
        starts = [time.perf_counter()]
        loss = model(input_ids=ids, attention_mask=mask, labels=labels).loss
        starts.append(time.perf_counter())
        loss.backward()
        starts.append(time.perf_counter())
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        adamw.step()
        adamw.zero_grad()
        starts.append(time.perf_counter())
        parts = [b - a for a, b in zip(starts, starts[1:])] + [starts[3] - starts[0]]
        parts.append(time.process_time() - processors)
        for name, part in zip(times, parts):
            if round >= 0:
                times[name].append(1e3 * part)
    print(f"torch {torch.__version__}, {n_threads} threads, {sum(LENGTHS)} tokens of {ids.numel()}")
    for name, each in times.items():
        print(f"  {name:<22} {min(each):8.1f} {sorted(each)[ROUNDS // 2]:8.1f} ms")
