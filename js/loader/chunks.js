/** Streams as chunks of bytes, in memory that is used again. */

/** Bytes that are asked for at a time. */
const READ_BYTES = 1 << 20;

/** @typedef {Uint8Array<ArrayBuffer>} Chunk */

/** Memory of chunks, used again where the engine can. */
export class ChunkPool {
    /** @type {ArrayBuffer[]} */
    #free = [];

    take() {
        return new Uint8Array(this.#free.pop() ?? new ArrayBuffer(READ_BYTES));
    }

    /** @param {Chunk} chunk */
    recycle({ buffer }) {
        if (buffer.byteLength === READ_BYTES) this.#free.push(buffer);
    }
}

/**
 * Reads into buffers that are used again where the engine can (half the time of fresh ones in
 * Chromium); not every stream or engine can.
 * @param {ReadableStream<Chunk>} stream
 * @param {ChunkPool} pool
 * @returns {{
 *   next: () => Promise<{done: boolean, value?: Chunk}>,
 *   cancel: () => Promise<void>,
 * }}
 */
export function takeFrom(stream, pool) {
    let reader;
    try {
        reader = stream.getReader({ mode: 'byob' });
    } catch {
        const plain = stream.getReader(); // Safari's streams are not async iterable
        return { next: () => plain.read(), cancel: () => plain.cancel() };
    }
    const byob = reader;
    return {
        next: () => /** @type {Promise<{done: boolean, value?: Chunk}>} */ (byob.read(pool.take())),
        cancel: () => byob.cancel(),
    };
}
