/** What went through a model: texts, tokens and time. */

export class Meter {
    /** @param {import('../model/model.js').Model} [model]  whose tokens are counted */
    constructor(model) {
        this.model = model;
        this.texts = 0;
        this.errors = 0;
        /** Tokens of a tokenizer without a model, counted by its command. */
        this.other_tokens = 0;
        this.start = performance.now();
    }

    get tokens() {
        return this.other_tokens + (this.model?.metrics().tokens ?? 0);
    }

    get seconds() {
        return (performance.now() - this.start) / 1000;
    }

    /** Texts a second. */
    get rate() {
        return this.texts / this.seconds;
    }

    summary() {
        const errors = this.errors ? ` (${this.errors} with errors)` : '';
        return (
            `${this.texts} texts${errors}, ${this.tokens} tokens, ${this.seconds.toFixed(2)} s, ` +
            `${this.rate.toFixed(1)} texts/s`
        );
    }
}
