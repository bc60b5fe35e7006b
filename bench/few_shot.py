"""What bench/few_shot.js measures, with SetFit: the same draws, from the same weights.

    python bench/few_shot.py OUT      # the folder that few_shot.js has written

Needs torch and setfit. SetFit's defaults, but for the pairs' number, which few_shot.js bounds where
these examples are too few to reach it.
"""
import json
import statistics
import sys
import time

sys.path.pop(0)  # a file here has the name of a package that transformers imports
import torch
from datasets import Dataset
from setfit import SetFitModel, Trainer, TrainingArguments

torch.set_num_threads(2)
out = sys.argv[1]
for data in json.load(open(f"{out}/draws.json")):
    accuracies, times = [], []
    for seed, examples in enumerate(data["draws"]):
        start = time.perf_counter()
        model = SetFitModel.from_pretrained(f"{out}/base", device="cpu")
        arguments = TrainingArguments(seed=seed, report_to="none", save_strategy="no",
                                      output_dir=f"{out}/setfit")
        Trainer(model=model, args=arguments, train_dataset=Dataset.from_list(examples)).train()
        times.append(time.perf_counter() - start)
        found = model.predict([test["text"] for test in data["tests"]])
        right = [a == test["label"] for a, test in zip(found, data["tests"])]
        accuracies.append(sum(right) / len(right))
        print(f"{data['name']}, seed {seed}: {accuracies[-1]:.3f}, {times[-1]:.1f} s", flush=True)
    print(f"{data['name']}: accuracy {statistics.mean(accuracies):.3f} +- "
          f"{statistics.pstdev(accuracies):.3f}, {statistics.mean(times):.1f} s", flush=True)
