/**
 * Why a worker did not start. A browser says that it did not, and nothing else: what the server
 * answers for the script, and what the page's policy forbade, tell the rest.
 */

import { BertError } from '../errors.js';

/** Workers that a policy has forbidden so far. */
let n_forbidden = 0;

let is_watching = false;

/** Once for all workers: one that starts has nothing to be taken away after it. */
function watchPolicy() {
    if (is_watching) return;
    is_watching = true;
    const look = (/** @type {SecurityPolicyViolationEvent} */ { effectiveDirective }) => {
        if (effectiveDirective === 'worker-src') n_forbidden++;
    };
    globalThis.addEventListener?.('securitypolicyviolation', /** @type {any} */ (look));
}

/**
 * To be called before a worker is made.
 * @param {string} script  its URL
 * @param {boolean} is_foreign  whether it is of another origin, so that a copy is started
 * @returns {() => Promise<BertError>}  to be called if the worker failed
 */
export function watchStart(script, is_foreign) {
    watchPolicy();
    const n_before = n_forbidden;
    return async () => {
        const answer = await answerFor(script); // a policy's violation is told meanwhile
        return new BertError('ENGINE_FAILED', `the worker ${script} did not start: ${why(answer)}`);
    };

    /** @param {Answer} answer */
    function why({ response, error }) {
        const { origin } = new URL(script);
        if (n_forbidden > n_before) {
            return (
                'the Content-Security-Policy of the page forbids it. It needs ' +
                (is_foreign ? `worker-src blob:; connect-src ${origin}` : "worker-src 'self'")
            );
        }
        if (!response) return `there is no answer (${error?.message})`;
        const type = response.headers.get('content-type') ?? 'none';
        const what = `HTTP status ${response.status}, content type ${type}`;
        if (!response.ok) return `${what}. ${MISSING}`;
        if (/^text\/html\b/i.test(type)) return `the server sent a page (${what}). ${MISSING}`;
        if (!isScript(type)) {
            return `${what}. It must be served as text/javascript`;
        }
        if (is_foreign) {
            return (
                `it is of another origin than the page, whose Content-Security-Policy may forbid ` +
                `what that needs: worker-src blob:; connect-src ${origin}. ` +
                "Or serve the package's files from the page's own origin"
            );
        }
        if (
            globalThis.crossOriginIsolated &&
            !/require-corp|credentialless/.test(
                response.headers.get('cross-origin-embedder-policy') ?? '',
            )
        ) {
            return (
                'the page is cross-origin isolated, the script is not: serve it, too, with ' +
                'Cross-Origin-Embedder-Policy: require-corp'
            );
        }
        return `the server has it (${what}), the browser refused it`;
    }
}

/** Whether a browser takes it for JavaScript. @param {string} type  of its content */
export const isScript = (type) => /javascript|ecmascript/i.test(type);

/** What those must do who use a bundler that leaves the script behind. */
const MISSING =
    "Copy worker.js and the *.wasm of the package beside the script that imports 'bert-wasm'; " +
    "vite needs optimizeDeps: { exclude: ['bert-wasm'] }";

/**
 * @typedef {{response?: Response, error?: Error}} Answer
 * @param {string} url
 * @returns {Promise<Answer>}
 */
async function answerFor(url) {
    try {
        const response = await fetch(url);
        response.body?.cancel().catch(() => {});
        return { response };
    } catch (error) {
        return { error: /** @type {Error} */ (error) };
    }
}
