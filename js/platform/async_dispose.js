/**
 * The key of the method that `await using` calls; where the engine does not have it yet, the one
 * that TypeScript's output and polyfills agree on.
 * @type {typeof Symbol.asyncDispose}
 */

export const asyncDispose = Symbol.asyncDispose ?? Symbol.for('Symbol.asyncDispose');
