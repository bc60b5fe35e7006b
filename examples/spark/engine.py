"""A bert-wasm process that answers records: JSONL in, JSONL out, one line for each line, in order.

The process lives as long as a partition. One thread writes, the caller's reads, so neither the pipe to
the process nor the one from it can fill up while somebody waits for the other. Between the two there are
never more than a few frames: memory stays flat however large the partition is.
"""

import json
import queue
import subprocess
import tempfile
import threading

# Frames that are written and not yet answered.
FRAMES_UNDER_WAY = 2

# Of the process's standard error, for a message.
STDERR_BYTES = 4000

END = object()


class EngineError(RuntimeError):
    """The process ended early or did not keep the contract. Spark runs the task again."""


def answer(frames, command, to_record):
    """Yields (frame, results) for each pandas frame: a dict for each row, in the order of the rows.

    `command` is a list of arguments; `to_record(frame)` gives a dict for each row, which gets an "id" of
    its own: what comes back under another id, or not at all, is an EngineError.
    """
    with tempfile.TemporaryFile() as stderr:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr)
        written = queue.Queue(FRAMES_UNDER_WAY)
        stopped = threading.Event()
        writer = threading.Thread(target=_write, args=(process.stdin, frames, to_record, written, stopped), daemon=True)
        writer.start()
        try:
            n = 0
            while (frame := written.get()) is not END:
                if isinstance(frame, BaseException):
                    raise frame
                results = []
                for _ in range(len(frame)):
                    line = process.stdout.readline()
                    if not line.endswith(b"\n"):
                        raise EngineError(f"the engine ended early, {_how(process, stderr)}")
                    result = json.loads(line)
                    if result.pop("id", None) != n:
                        raise EngineError(f"the engine answered another record than {n}: {line[:200]!r}")
                    results.append(result)
                    n += 1
                yield frame, results
            if process.wait() != 0:
                raise EngineError(f"the engine failed, {_how(process, stderr)}")
        finally:
            stopped.set()
            process.kill()
            process.wait()
            process.stdout.close()


def _write(stdin, frames, to_record, written, stopped):
    """A frame is announced before it is written: its first answers come while the rest is on its way."""
    n = 0
    last = END
    try:
        for frame in frames:
            _put(written, frame, stopped)
            for record in to_record(frame):
                stdin.write(json.dumps({**record, "id": n}).encode() + b"\n")
                n += 1
            stdin.flush()
            if stopped.is_set():
                return
    except BrokenPipeError:
        pass  # the process is gone: the reader sees the end of its output, and says so
    except BaseException as error:  # what the frames come from failed
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
