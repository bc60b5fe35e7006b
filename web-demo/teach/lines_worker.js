/** The lines, on a thread of their own: read from a file and gathered there. */

import { answerCalls } from '../files/calls.js';
import { readFile } from '../files/read_file.js';
import { collect, guessBoth } from './collect.js';

/** Texts in a message: few enough that taking it holds the page up for a few milliseconds. */
const PIECE = 4000;

/** @type {import('../files/read_file.js').ReadFile} */
let parsed;

answerCalls({
    /**
     * @param {Parameters<typeof readFile>[0]} request
     * @param {(share: number) => void} report
     */
    async parse(request, report) {
        parsed = await readFile(request, report);
        const { columns, ...facts } = parsed;
        return { ...facts, guess: guessBoth(parsed) };
    },

    /**
     * Which columns are meant: the texts are reported in pieces.
     * @param {{text: number, label: number}} request
     * @param {(texts: string[]) => void} report
     */
    choose(request, report) {
        const { texts, ...found } = collect(parsed, request);
        for (let from = 0; from < texts.length; from += PIECE) {
            report(texts.slice(from, from + PIECE));
        }
        return found;
    },
});
