/**
 * The build of the engine that each browser must choose: of Debian's, WebKit alone has no relaxed
 * SIMD.
 * @type {{[engine: string]: 'base' | 'relaxed'}}
 */
export const VARIANTS = {
    chromium: 'relaxed',
    firefox: 'relaxed',
    webkit: 'base',
    'webkit-as-safari': 'base',
};
