/** Standard output: one JSON object a line. */

/**
 * Waits while the reader is slow.
 * @param {unknown[]} values
 */
export async function printLines(values) {
    if (
        values.length &&
        !process.stdout.write(values.map((value) => `${JSON.stringify(value)}\n`).join(''))
    ) {
        await new Promise((resolve) => process.stdout.once('drain', resolve));
    }
}

/** @param {unknown} value */
export function print(value) {
    return printLines([value]);
}
