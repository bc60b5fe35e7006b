/**
 * How weights of attention are tinted. Small ones must be seen beside large ones: tints grow with
 * their square root.
 *
 * @type {Pick<import('../shell/matrix.js').Matrix, 'tint' | 'legend'>}
 */
export const WEIGHTS = {
    tint: (weight) => Math.sqrt(Math.max(0, weight)),
    legend: [0.01, 0.05, 0.2, 0.5, 1].map((weight) => [`${Math.round(weight * 100)}%`, weight]),
};
