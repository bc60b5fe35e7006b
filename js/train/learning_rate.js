/**
 * The learning rate where none is given. Encoders of BERT's width are fine-tuned at 2e-5 to 5e-5
 * (Devlin et al. 2018, BERT, appendix A.3). Narrower ones have hardly moved by then, where examples
 * are few: they want up to 3e-4 (Turc et al. 2019, Well-Read Students Learn Better). Adapters and
 * classifiers begin at nothing, whatever the width, and have rates of their own. Embeddings only go
 * on: what they have learned of a billion pairs is soon lost to a few.
 */

/** Columns of BERT's base size. */
const WIDE = 768;

const OF_WIDE = 5e-5;
const OF_NARROW = 2e-4;
const OF_ADAPTERS = 1e-3;
const OF_CLASSIFIER = 1e-3;

/**
 * @param {Pick<import('./options.js').TrainOptions, 'task' | 'lora' | 'trained_layers'
 *   | 'unfreeze'>} options
 * @param {number} hidden_size  of the base
 */
export function usualRate({ task, lora, trained_layers, unfreeze }, hidden_size) {
    if (lora) return OF_ADAPTERS;
    if (trained_layers === 0 && unfreeze === undefined) return OF_CLASSIFIER;
    return hidden_size < WIDE && task !== 'feature-extraction' ? OF_NARROW : OF_WIDE;
}
