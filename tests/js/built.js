/** The built library, as a program that is a string names it in an import. */
export const LIBRARY = JSON.stringify(
    new URL('../../build/dist/index.node.js', import.meta.url).href,
);

/** Where it is. */
export const DIST = new URL('../../build/dist/', import.meta.url);
