"""A bert-wasm process that answers records: JSONL in, JSONL out, one line for each line, in order.

The process lives as long as a partition. One thread writes, the caller's reads, so neither the pipe to
the process nor the one from it can fill up while somebody waits for the other. Between the two there are
never more than a few batches: memory stays flat however large the partition is.
"""

import json
import queue
import subprocess
import tempfile
import threading

# Batches that are written and not yet answered.
BATCHES_UNDER_WAY = 2

# Of the process's standard error, for a message.
STDERR_BYTES = 4000

END = object()


class EngineError(RuntimeError):
    """The process ended early or did not keep the contract. Spark runs the task again."""


def answer(batches, command, to_records):
    """Yields (batch, results) for each batch: a dict for each row, in the order of the rows.

    `command` is a list of arguments; `to_records(batch)` gives a dict for each row, which gets an "id" of
    its own: what comes back under another id, or not at all, is an EngineError. A batch is what has a
    len(): Arrow record batches, pandas frames.
    """
    with tempfile.TemporaryFile() as stderr:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr)
        written = queue.Queue(BATCHES_UNDER_WAY)
        stopped = threading.Event()
        writer = threading.Thread(target=_write, args=(process.stdin, batches, to_records, written, stopped), daemon=True)
        writer.start()
        try:
            n = 0
            while (batch := written.get()) is not END:
                if isinstance(batch, BaseException):
                    raise batch
                results = []
                for _ in range(len(batch)):
                    line = process.stdout.readline()
                    if not line.endswith(b"\n"):
                        raise EngineError(f"the engine ended early, {_how(process, stderr)}")
                    result = json.loads(line)
                    if result.pop("id", None) != n:
                        raise EngineError(f"the engine answered another record than {n}: {line[:200]!r}")
                    results.append(result)
                    n += 1
                yield batch, results
            if process.wait() != 0:
                raise EngineError(f"the engine failed, {_how(process, stderr)}")
        finally:
            stopped.set()
            process.kill()
            process.wait()
            process.stdout.close()


def _write(stdin, batches, to_records, written, stopped):
    """A batch is announced before it is written: its first answers come while the rest is on its way."""
    n = 0
    last = END
    try:
        for batch in batches:
            _put(written, batch, stopped)
            for record in to_records(batch):
                stdin.write(json.dumps({**record, "id": n}).encode() + b"\n")
                n += 1
            stdin.flush()
            if stopped.is_set():
                return
    except BrokenPipeError:
        pass  # the process is gone: the reader sees the end of its output, and says so
    except BaseException as error:  # what the batches come from failed
        last = error
    finally:
        try:
            stdin.close()
        except BrokenPipeError:
            pass
        _put(written, last, stopped)


def _put(written, item, stopped):
    while not stopped.is_set():
        try:
            return written.put(item, timeout=0.2)
        except queue.Full:
            pass


def _how(process, stderr):
    try:
        code = process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        return "it closed its output and still runs"
    stderr.seek(0)
    text = stderr.read()[-STDERR_BYTES:].decode(errors="replace").strip()
    return f"exit code {code}: {text or 'it said nothing'}"
