/** What a view says of a file that it cannot use: in plain words, with what to do. */

export class Refusal extends Error {
    /**
     * @param {string} message  what is wrong
     * @param {string} advice  what to do
     */
    constructor(message, advice) {
        super(message);
        this.name = 'Refusal';
        this.advice = advice;
    }
}
