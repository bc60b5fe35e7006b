/** Medians, and ratios of two series that were measured in the same rounds. */

/**
 * The value below which `share` of the values are, between two neighbours if need be.
 * @param {number[]} values
 * @param {number} share  0 to 1
 */
export function quantile(values, share) {
    const sorted = values.toSorted((a, b) => a - b);
    const place = share * (sorted.length - 1);
    const low = sorted[Math.floor(place)];
    const high = sorted[Math.ceil(place)];
    return low + (high - low) * (place - Math.floor(place));
}

/** @param {number[]} values */
export function median(values) {
    return quantile(values, 0.5);
}

/**
 * Median and quartiles of the ratios of each round. What slows the machine for a while slows both
 * sides of a round, so that these are steadier than a ratio of medians.
 * @param {number[]} numerators
 * @param {number[]} denominators
 */
export function ratio(numerators, denominators) {
    const n_rounds = Math.min(numerators.length, denominators.length);
    const ratios = Array.from({ length: n_rounds }, (_, i) => numerators[i] / denominators[i]);
    return { median: median(ratios), low: quantile(ratios, 0.25), high: quantile(ratios, 0.75) };
}

/** @param {number[]} values */
export function mean(values) {
    return values.reduce((sum, each) => sum + each, 0) / values.length;
}

/** The standard deviation of a sample. @param {number[]} values */
export function deviation(values) {
    const middle = mean(values);
    const squares = values.reduce((sum, each) => sum + (each - middle) ** 2, 0);
    return Math.sqrt(squares / (values.length - 1));
}
