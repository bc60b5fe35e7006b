"""What bench/pretrain.js measures, with PyTorch: from the same weights, on the same batches.

    python bench/pretrain.py FOLDER     # the folder that pretrain.js has written

Needs torch and transformers. Prints one JSON object.
"""
import json
import sys
import time

sys.path.pop(0)  # a file here has the name of a package that transformers imports
import torch
import transformers as T

folder = sys.argv[1]
request = json.load(open(f"{folder}/request.json", encoding="utf-8"))
torch.set_num_threads(request["threads"])
T.logging.set_verbosity_error()
tokenizer = T.AutoTokenizer.from_pretrained(f"{folder}/base")
model = T.BertForMaskedLM.from_pretrained(f"{folder}/base", hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)


def padded(sequences):
    width = max(len(each["ids"]) for each in sequences)
    row = lambda each, key, rest: each[key] + [rest] * (width - len(each[key]))
    ids, labels = (torch.tensor([row(each, key, rest) for each in sequences]) for key, rest in (("ids", 0), ("labels", -100)))
    lengths = torch.tensor([[len(each["ids"])] for each in sequences])
    return {"input_ids": ids, "labels": labels, "attention_mask": (torch.arange(width) < lengths).long()}


@torch.no_grad()
def validate():
    """The mean over all masked words."""
    model.eval()
    total = n = 0
    for i in range(0, len(request["validation"]), 32):
        batch = padded(request["validation"][i:i + 32])
        n_masked = int((batch["labels"] != -100).sum())
        total += n_masked * float(model(**batch).loss)
        n += n_masked
    model.train()
    return total / n


decayed = [p for p in model.parameters() if p.dim() > 1]
others = [p for p in model.parameters() if p.dim() <= 1]
adamw = torch.optim.AdamW([{"params": decayed, "weight_decay": 0.01}, {"params": others, "weight_decay": 0.0}],
                          lr=request["learning_rate"])
n_steps = len(request["steps"])
schedule = T.get_linear_schedule_with_warmup(adamw, n_steps // 10, n_steps)
before = validate()
losses, used = [], time.process_time()
for batch in request["steps"]:
    loss = model(**padded(batch)).loss
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    adamw.step()
    schedule.step()
    adamw.zero_grad(set_to_none=True)
    losses.append(float(loss.detach()))
seconds = time.process_time() - used
model.eval()
fill = T.pipeline("fill-mask", model=model, tokenizer=tokenizer, device="cpu")
print(json.dumps({
    "versions": {each.__name__: each.__version__ for each in (torch, T)},
    "processor_seconds": seconds,
    "losses": losses,
    "before": before,
    "after": validate(),
    "found": [[each["token_str"] for each in fill(text)[:3]] for text in request["asked"]],
}))
