/**
 * A progress bar on standard error, if that is a terminal and results do not go to a terminal too.
 * Its length is that of the input file; without a file it shows numbers only.
 */

import { statSync } from 'node:fs';

import cliProgress from 'cli-progress';

export class Progress {
    /**
     * @param {string} name  of the command
     * @param {string | undefined} file  of the input
     * @param {import('./meter.js').Meter} meter
     */
    constructor(name, file, meter) {
        this.meter = meter;
        this.bytes = 0;
        if (!process.stderr.isTTY || process.stdout.isTTY || file === undefined) return;
        const total = file === '-' ? 0 : sizeOf(file);
        const numbers = '{texts} texts | {rate} texts/s';
        this.bar = new cliProgress.SingleBar({
            format: total
                ? `${name} {bar} {percentage}% | ${numbers} | {eta_formatted} left`
                : `${name} ${numbers}`,
            stream: process.stderr,
            barCompleteChar: '#',
            barIncompleteChar: '.',
            barsize: 30,
            clearOnComplete: true,
            etaBuffer: 50,
        });
        this.bar.start(total, 0, this.#numbers());
    }

    /** @param {number} bytes  of the input that are done */
    add(bytes) {
        this.bytes += bytes;
        this.bar?.update(this.bytes, this.#numbers());
    }

    stop() {
        this.bar?.stop();
    }

    #numbers() {
        return { texts: this.meter.texts, rate: this.meter.rate.toFixed(0) };
    }
}

/**
 * 0 where it cannot be found: whoever reads the file says why.
 * @param {string} file
 */
function sizeOf(file) {
    try {
        return statSync(file).size;
    } catch {
        return 0;
    }
}
