/** What went through a model: texts, tokens and time. */
export class Meter {
    /** @param {import('../model.js').Model} [model]  whose tokens are counted */
    constructor(model) {
        this.texts = 0;
        this.errors = 0;
        this.tokens = 0;
        this.start = performance.now();
        if (model) this.#count(model);
    }

    /** @param {import('../model.js').Model} model */
    #count(model) {
        const run = model.run.bind(model);
        model.run = async (...args) => {
            const results = await run(...args);
            for (const { n_tokens } of results) this.tokens += n_tokens;
            return results;
        };
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
        return `${this.texts} texts${errors}, ${this.tokens} tokens, ${this.seconds.toFixed(2)} s, ${this.rate.toFixed(1)} texts/s`;
    }
}
