/**
 * Several tasks on one encoder with a head each (Liu et al. 2019, "Multi-Task Deep Neural Networks
 * for Natural Language Understanding", section 3). The trainer has one classifier of texts and one
 * of tokens, each as wide as the widest of the tasks'; when a task's turn comes, its own is put
 * there, with what AdamW remembers of it. So another task's steps neither move nor decay it; but
 * all steps count where AdamW corrects its moments, as they do for layers that were frozen. The
 * pooler is shared, as BERT has it as a part of its encoder: it learns from every task of texts.
 *
 * Rejected: all classifiers side by side as columns of one. Its moments and its decay would move
 * the columns of all tasks at each step.
 */

/** @typedef {import('./trainer.js').Learned} Learned */
/** @typedef {import('./trainer.js').Objective} Objective */
/** @typedef {import('./trainer.js').Tensors} Tensors */
/** @typedef {{encoder: import('../loader/model_file.js').EncoderConfig, tensors: Tensors}} Whole */

/** Parameters that tasks have for themselves. */
const OWN = /^(token_)?classifier\./;

/**
 * What the trainer begins with: of tensors that tasks share or take turns in, the largest.
 * @param {Whole[]} models  of each task alone, on one encoder
 * @returns {Whole}
 */
export function sharedModel(models) {
    const [{ encoder }] = models;
    if (models.length === 1) return models[0];
    const most = (/** @type {string} */ name) =>
        Math.max(...models.map((model) => Number(model.encoder[name])));
    const activations = models.map((model) => model.encoder.pooler_activation);
    /** @type {Tensors} */
    const tensors = new Map();
    for (const [name, tensor] of models.flatMap((model) => [...model.tensors])) {
        const { length = 0 } = tensors.get(name)?.values ?? {};
        if (tensor.values.length > length) tensors.set(name, tensor);
    }
    return {
        encoder: {
            ...encoder,
            pooler_activation: activations.find((name) => name !== 'none') ?? 'none',
            n_labels: most('n_labels'),
            n_token_labels: most('n_token_labels'),
        },
        tensors,
    };
}

/**
 * The loss of the first columns of a classifier, which are a task's.
 * @param {Objective} objective  of one output
 * @param {number} n  columns
 * @returns {Objective}
 */
export function ofFirstColumns(objective, n) {
    return {
        ...objective,
        loss(pass, batch) {
            const [output] = pass.outputs;
            const { data, gradient, n_rows, n_columns } = output;
            if (n === n_columns) return objective.loss(pass, batch);
            const floats = () => new Float32Array(pass.instance.memory.buffer);
            const [from, to] = [data / 4, gradient / 4];
            for (let r = 0, all = floats(); r < n_rows; r++) {
                all.copyWithin(from + r * n, from + r * n_columns, from + r * n_columns + n);
            }
            output.n_columns = n;
            const loss = objective.loss(pass, batch);
            for (let r = n_rows - 1, all = floats(); r >= 0; r--) {
                const row = to + r * n_columns;
                all.copyWithin(row, to + r * n, to + r * n + n);
                all.fill(0, row + n, row + n_columns);
            }
            return loss;
        },
    };
}

export class Heads {
    #trainer;

    /** Of each task, by name. @type {Map<string, Learned>[]} */
    #own;

    /** Shapes of the tensors of each task's model, by name. @type {Map<string, number[]>[]} */
    #shapes;

    /** By parameter, the task whose numbers the trainer has. @type {Map<string, number>} */
    #there = new Map();

    /**
     * @param {import('./trainer.js').Trainer} trainer
     * @param {Tensors[]} models  that tasks begin with
     */
    constructor(trainer, models) {
        this.#trainer = trainer;
        this.#shapes = models.map(
            (tensors) => new Map(Array.from(tensors, ([name, { shape }]) => [name, shape])),
        );
        this.#own = models.map((tensors) => {
            const own = [...tensors].filter(([name]) => OWN.test(name));
            return new Map(
                own.map(([name, { values }]) => {
                    const [mean, square] = [0, 0].map(() => new Float32Array(values.length));
                    return [name, { name, value: Float32Array.from(values), mean, square }];
                }),
            );
        });
    }

    /** @param {number} task  of the next steps, or the next validation */
    turnTo(task) {
        this.#trainer.turnTo(task);
        for (const [name, learned] of this.#own[task]) {
            if (this.#there.get(name) === task) continue;
            this.#putAway(name);
            this.#trainer.setLearnedOf(learned);
            this.#there.set(name, task);
        }
    }

    /** @param {string} name  what the trainer has of it becomes the task's again */
    #putAway(name) {
        const task = this.#there.get(name);
        if (task === undefined) return;
        const own = /** @type {Learned} */ (this.#own[task].get(name));
        const now = this.#trainer.learnedOf(name);
        for (const part of /** @type {const} */ (['value', 'mean', 'square'])) {
            own[part].set(now[part].subarray(0, own[part].length));
        }
        this.#there.delete(name);
    }

    /** Those of all tasks as they are now, under names of their own. */
    #all() {
        for (const name of [...this.#there.keys()]) this.#putAway(name);
        return this.#own.flatMap((own, task) =>
            Array.from(own.values(), (learned) => ({ learned, name: `${learned.name}.${task}` })),
        );
    }

    /** As the trainer's. @returns {Learned[]} */
    learned() {
        const own = this.#all().map(({ learned, name }) => ({ ...learned, name }));
        return [...this.#trainer.learned().filter(({ name }) => !OWN.test(name)), ...own];
    }

    /** As the trainer's. @param {Learned[]} learned @param {number} n_steps */
    setLearned(learned, n_steps) {
        const by_name = new Map(learned.map((each) => [each.name, each]));
        for (const { learned: own, name } of this.#all()) {
            const { value, mean, square } = /** @type {Learned} */ (by_name.get(name));
            Object.assign(own, { value, mean, square });
        }
        const shared = learned.filter(({ name }) => !OWN.test(name));
        this.#trainer.setLearned(shared, n_steps);
    }

    /** As the trainer's. @returns {Tensors} */
    parameters() {
        const own = this.#all();
        const shared = [...this.#trainer.parameters()].filter(([name]) => !OWN.test(name));
        return new Map([
            ...shared,
            ...own.map(({ learned: { value }, name }) => {
                const tensor = { shape: [value.length], values: value.slice() };
                return /** @type {[string, typeof tensor]} */ ([name, tensor]);
            }),
        ]);
    }

    /** As the trainer's. @param {Tensors} tensors */
    setParameters(tensors) {
        for (const { learned, name } of this.#all()) {
            learned.value.set(/** @type {any} */ (tensors.get(name)).values);
        }
        const shared = [...tensors].filter(([name]) => !OWN.test(name));
        this.#trainer.setParameters(new Map(shared));
    }

    /** Each task's model as it is now. @returns {Tensors[]} */
    models() {
        this.#all();
        const shared = this.#trainer.merged();
        return this.#shapes.map((shapes, task) => {
            /** @type {Tensors} */
            const tensors = new Map();
            for (const [name, { values }] of shared) {
                const shape = shapes.get(name);
                const own = this.#own[task].get(name);
                if (shape) tensors.set(name, { shape, values: own?.value ?? values });
            }
            return tensors;
        });
    }
}
