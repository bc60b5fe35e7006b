"""What bench/few_shot.js measures, with SetFit: the same draws, from the same weights.

    python bench/few_shot.py FOLDER --threads N     # the folder that few_shot.js has written

Needs setfit. All is as SetFit has it by default: pairs by oversampling, one epoch of batches of 16,
AdamW, a rate of 2e-5, and a logistic regression.
"""
import argparse
import json
import sys
import time

sys.path.pop(0)  # a file here has the name of a package that transformers imports
import datasets
import setfit
import torch
import transformers

parser = argparse.ArgumentParser()
parser.add_argument("folder")
parser.add_argument("--threads", type=int, default=1)
a = parser.parse_args()

torch.set_num_threads(a.threads)
transformers.logging.set_verbosity_error()
datasets.disable_progress_bars()
data = json.load(open(f"{a.folder}/set.json", encoding="utf-8"))
texts, labels = zip(*((test["text"], test["label"]) for test in data["tests"]))
results = []
for seed, examples in enumerate(data["draws"]):
    start, used = time.perf_counter(), time.process_time()
    model = setfit.SetFitModel.from_pretrained(f"{a.folder}/base", device="cpu")
    arguments = setfit.TrainingArguments(seed=seed, report_to="none", save_strategy="no", show_progress_bar=False,
                                         output_dir=f"{a.folder}/setfit")
    setfit.Trainer(model=model, args=arguments, train_dataset=datasets.Dataset.from_list(examples)).train()
    seconds, processor_seconds = time.perf_counter() - start, time.process_time() - used
    right = [found == label for found, label in zip(model.predict(list(texts), show_progress_bar=False), labels)]
    results.append({"accuracy": sum(right) / len(right), "seconds": seconds, "processor_seconds": processor_seconds})
    print(f"{data['name']}, seed {seed}: {results[-1]}", file=sys.stderr, flush=True)
versions = {each.__name__: each.__version__ for each in (setfit, torch, transformers)}
print(json.dumps({"versions": versions, "results": results}))
