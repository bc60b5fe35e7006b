"""Classifies a JSONL or Parquet data set with bert-wasm: its columns, and label, score and error.

    spark-submit --files model.safetensors --py-files engine.py classify.py --model model.safetensors \
        --input reviews.jsonl --output labelled.parquet
"""

import argparse
import os
import shlex

from pyspark import SparkFiles
from pyspark.sql import SparkSession
from pyspark.sql.types import DoubleType, StringType, StructField, StructType


def classify(batches, engine, model, text):
    """mapInArrow: one engine for all batches of a partition. Columns pass through as they are."""
    import pyarrow as pa

    from engine import answer

    # A file that came with --files is in a folder of the executor's own.
    shipped = SparkFiles.get(os.path.basename(model))
    path = shipped if os.path.exists(shipped) else model
    # A core of the executor runs one task: so the engine has one thread.
    command = [*shlex.split(engine), "classify", "--model", path, "--threads", "1", "--input", "-", "--format", "jsonl", "--skip-errors"]

    def to_records(batch):
        return ({"text": value} for value in batch.column(text).to_pylist())

    for batch, results in answer(batches, command, to_records):
        columns = {
            "label": pa.array([result.get("label") for result in results], pa.string()),
            "score": pa.array([result.get("score") for result in results], pa.float64()),
            "error": pa.array([result["error"]["message"] if "error" in result else None for result in results], pa.string()),
        }
        for name, values in columns.items():
            batch = batch.append_column(name, values)
        yield batch


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--input", required=True, help=".parquet, else JSONL")
    parser.add_argument("--output", required=True, help="folder; ends in .parquet, else JSONL is written")
    parser.add_argument("--model", required=True, help="name of the file given with --files, or a path that every executor has")
    parser.add_argument("--engine", default="bert-wasm", help="the command as executors find it, e.g. 'node /opt/bert-wasm/cli.js'")
    parser.add_argument("--text", default="text", help="column that is classified")
    parser.add_argument("--partitions", type=int, help="default: as the input comes")
    args = parser.parse_args()

    spark = SparkSession.builder.appName("bert-wasm").getOrCreate()
    read = spark.read.parquet if args.input.endswith(".parquet") else spark.read.json
    rows = read(args.input)
    taken = [name for name in ("label", "score", "error") if name in rows.columns]
    if args.text not in rows.columns or taken:
        parser.error(f"the columns are {', '.join(rows.columns)}: there must be {args.text}, and none of label, score, error")
    if args.partitions:
        rows = rows.repartition(args.partitions)
    schema = StructType([*rows.schema.fields, StructField("label", StringType()), StructField("score", DoubleType()), StructField("error", StringType())])
    engine, model, text = args.engine, args.model, args.text
    labelled = rows.mapInArrow(lambda batches: classify(batches, engine, model, text), schema)
    if args.output.endswith(".parquet"):
        labelled.write.mode("overwrite").parquet(args.output)
    else:
        labelled.write.mode("overwrite").json(args.output)
    spark.stop()


if __name__ == "__main__":
    main()
