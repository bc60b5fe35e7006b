"""What bench/train_tasks.js measures, with transformers' Trainer: from the same weights, in the same order.

    python bench/train_tasks.py FOLDER     # the folder that train_tasks.js has written

Needs torch, transformers, accelerate and seqeval. Prints one JSON object.
"""
import json
import math
import statistics
import sys
import time

sys.path.pop(0)  # a file here has the name of a package that transformers imports
import torch
import transformers as T
from transformers.data.metrics.squad_metrics import compute_f1

folder = sys.argv[1]
request = json.load(open(f"{folder}/request.json", encoding="utf-8"))
torch.set_num_threads(request["threads"])
T.logging.set_verbosity_error()
tokenizer = T.AutoTokenizer.from_pretrained(f"{folder}/base")
is_words = request["task"] == "token-classification"
longest = {"truncation": True if is_words else "only_second", "max_length": request["max_length"]}


def of_words(example):
    """The first token of a word has its label."""
    encoding = tokenizer(example["tokens"], is_split_into_words=True, **longest)
    words = encoding.word_ids()
    firsts = [word is not None and word != before for word, before in zip(words, [None] + words)]
    labels = [request["labels"].index(example["labels"][word]) if first else -100 for word, first in zip(words, firsts)]
    return {"input_ids": encoding["input_ids"], "attention_mask": encoding["attention_mask"], "labels": labels}


def of_question(example):
    """As run_qa.py finds the tokens of an answer; a question and its context are one window."""
    encoding = tokenizer(example["question"], example["context"], return_offsets_mapping=True, return_token_type_ids=True,
                         **longest)
    answer = example["answers"][0]
    start, end = answer["answer_start"], answer["answer_start"] + len(answer["text"])
    inside = [i for i, sequence in enumerate(encoding.sequence_ids()) if sequence == 1]
    offsets = encoding.pop("offset_mapping")
    if offsets[inside[0]][0] > start or offsets[inside[-1]][1] < end:
        return {**encoding, "start_positions": 0, "end_positions": 0}
    return {**encoding, "start_positions": max(i for i in inside if offsets[i][0] <= start),
            "end_positions": min(i for i in inside if offsets[i][1] >= end)}


class InOrder(torch.utils.data.Sampler):
    def __init__(self):
        self.orders = iter(request["orders"])

    def __len__(self):
        return len(request["examples"])

    def __iter__(self):
        return iter(next(self.orders))


class Trainer(T.Trainer):
    def _get_train_sampler(self, *_):
        return InOrder()


def f1_of_words(trainer):
    from seqeval.metrics import f1_score
    found = trainer.predict([of_words(each) for each in request["validation"]])
    named = [[(request["labels"][guess], request["labels"][label]) for guess, label in zip(row, labels) if label != -100]
             for row, labels in zip(found.predictions.argmax(-1), found.label_ids)]
    return f1_score([[label for _, label in row] for row in named], [[guess for guess, _ in row] for row in named])


def f1_of_answers(model):
    """Of what the pipeline answers."""
    answer = T.pipeline("question-answering", model=model, tokenizer=tokenizer, device="cpu")
    return statistics.mean(
        max(compute_f1(gold["text"], answer(question=each["question"], context=each["context"])["answer"])
            for gold in each["answers"])
        for each in request["validation"])


kind = T.AutoModelForTokenClassification if is_words else T.AutoModelForQuestionAnswering
model = kind.from_pretrained(f"{folder}/base")
n_steps = request["epochs"] * math.ceil(len(request["examples"]) / request["batch_size"])
arguments = T.TrainingArguments(
    output_dir=f"{folder}/trainer", num_train_epochs=request["epochs"], per_device_train_batch_size=request["batch_size"],
    per_device_eval_batch_size=request["batch_size"], learning_rate=request["learning_rate"], warmup_steps=n_steps // 10,
    weight_decay=0.01, seed=request["seed"], logging_steps=1, save_strategy="no", report_to="none", use_cpu=True,
    disable_tqdm=True, log_level="error")
collator = T.DataCollatorForTokenClassification(tokenizer) if is_words else T.DataCollatorWithPadding(tokenizer)
trainer = Trainer(model=model, args=arguments, data_collator=collator,
                  train_dataset=[(of_words if is_words else of_question)(each) for each in request["examples"]])
trainer.remove_callback(T.PrinterCallback)
used = time.process_time()
trainer.train()
seconds = time.process_time() - used
model.eval()
print(json.dumps({
    "versions": {each.__name__: each.__version__ for each in (torch, T)},
    "processor_seconds": seconds,
    "losses": [entry["loss"] for entry in trainer.state.log_history if "loss" in entry],
    "f1": float(f1_of_words(trainer) if is_words else f1_of_answers(model)),
}))
