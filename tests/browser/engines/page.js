/**
 * Runs one check of checks.js in a page and reports what it gave, or how it failed:
 * page.html?check=NAME&options=JSON. Everything is imported where failing is reported, too.
 */

import { report } from './report.js';

/** What nobody caught. @type {string[]} */
const uncaught = [];
addEventListener('error', ({ message }) => uncaught.push(message));
addEventListener('unhandledrejection', ({ reason }) => uncaught.push(String(reason)));
document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) =>
    uncaught.push(`${violatedDirective} forbids ${blockedURI}`),
);

const query = new URLSearchParams(location.search);
try {
    const files = ['./checks.js', './stored_checks.js', './hub_checks.js'];
    const checks = Object.assign({}, ...(await Promise.all(files.map((file) => import(file)))));
    const library = await import(new URL('/bert-wasm/index.js', location.href).href);
    const check = Reflect.get(checks, query.get('check') ?? '');
    const result = await check(library, JSON.parse(query.get('options') ?? '{}'));
    report({ result, uncaught });
} catch (error) {
    const { name, message, code, stack } = error;
    report({ error: { name, message, code, stack }, uncaught });
}
