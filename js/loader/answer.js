/**
 * One request for a file, from a byte on, and what the answer is worth. What is wrong is told with
 * URL, status, content type and what to do, and whether it may pass.
 *
 * Of request headers there is Range alone, unless the caller has others for its host: a page may
 * send it to any origin without asking first. With If-Range it could not: so that the file is still
 * the same is seen by comparing what answers say of it.
 *
 * Pages cannot see Content-Encoding of another origin unless it is exposed, but Content-Length
 * always: there a length may be that of compressed bytes, and is not used.
 */

import { BertError } from '../errors.js';
import { messageKind } from './file_kind.js';

/** Characters of a server's message that are repeated. */
const MOST_QUOTED = 200;

/** Milliseconds that a server may ask for before the next try. */
const MOST_RETRY_AFTER = 20_000;

/** @typedef {import('./chunks.js').Chunk} Chunk */

/**
 * @typedef {object} Passing  of an error of a download: whether it may pass
 * @property {true} [is_passing]
 * @property {number} [retry_after]  milliseconds
 * @property {number} [status]  of the answer, if that was one; 404 as well of a page that came in
 *   place of the file
 */

/**
 * @typedef {object} Request
 * @property {number} from  the first byte that is wanted
 * @property {number} [to]  the byte behind the last one; default the file's end
 * @property {'no-store'} [cache]  undefined: some hosts know nothing else
 * @property {Record<string, string>} [headers]  for the host, and for no other that it redirects to
 * @property {AbortSignal} signal
 */

/**
 * @typedef {object} Identity  of a file, as far as an answer tells
 * @property {string | null} etag  without what packing adds to it
 * @property {string | null} last_modified
 * @property {number | null} length  bytes
 */

/**
 * @typedef {object} Answer
 * @property {number} begins_at  byte of the file
 * @property {Identity} identity
 * @property {ReadableStream<Chunk> | null} body  null: the file ends before the byte that was asked
 *   for
 * @property {boolean} is_part  whether the server gives parts
 * @property {boolean} is_packed  it is a part of packed bytes, of which nothing is known
 * @property {string} what  status and type, for messages
 */

/**
 * @param {URL} url
 * @param {Request} request
 * @returns {Promise<Answer>}
 */
export async function ask(url, { from, to, cache, headers: own, signal }) {
    const is_part = from > 0 || to !== undefined;
    const range = `bytes=${from}-${to === undefined ? '' : to - 1}`;
    const headers = { ...own, ...(is_part && { Range: range }) };
    let response;
    try {
        response = await fetch(url, { signal, headers, ...(cache && { cache }) });
    } catch (error) {
        throw passing(`${url.href}: no answer (${reasonOf(error)})${hintOf(url)}`, error);
    }
    const { status } = response;
    const type = response.headers.get('content-type') ?? 'none';
    const what = `HTTP status ${status}, content type ${type}${wayOf(url, response)}`;
    const encoding = response.headers.get('content-encoding');
    const [, begin] = contentRange(response);
    const answer = {
        begins_at: status === 206 ? Number(begin ?? from) : 0,
        identity: identityOf(response),
        is_part: status === 206 || status === 416,
        is_packed: status === 206 && encoding !== null && encoding !== 'identity',
        what,
    };
    if (is_part && status === 416) return { ...answer, body: null };
    if (!response.ok || !response.body) throw await refusal(url, response, what);
    if (/^text\/html\b/i.test(type)) throw page(url, what);
    return { ...answer, body: /** @type {ReadableStream<Chunk>} */ (response.body) };
}

/**
 * What an answer says of the file: all of it, or a part, or its head alone.
 * @param {Response} response
 * @returns {Identity}
 */
export function identityOf(response) {
    const { headers, status, type } = response;
    const [, , total] = contentRange(response);
    const is_length_true = status === 200 && !headers.get('content-encoding') && type !== 'cors';
    const length = total ?? (is_length_true ? headers.get('content-length') : null);
    const etag = headers
        .get('etag')
        ?.replace(/^W\//, '')
        .replace(/[-;]+(gzip|br|zstd)"$/, '"');
    return {
        etag: etag ?? null,
        last_modified: headers.get('last-modified'),
        length: length === null ? null : Number(length),
    };
}

/**
 * The first byte of a part, and how many the whole has.
 * @param {Response} response
 * @returns {(string | undefined)[]}
 */
function contentRange({ headers }) {
    return /^bytes (?:(\d+)-\d+|\*)\/(\d+)?/.exec(headers.get('content-range') ?? '') ?? [];
}

/**
 * Refuses what a server says in place of the file.
 * @param {URL} url
 * @param {Uint8Array} bytes  the file's first ones
 * @param {string} what
 * @param {boolean} [is_json]  whether the file is JSON itself
 */
export function checkStart(url, bytes, what, is_json = false) {
    const kind = messageKind(bytes);
    if (!kind || (kind === 'json' && is_json)) return;
    if (kind === 'page') throw page(url, what);
    const text = new TextDecoder().decode(bytes.subarray(0, MOST_QUOTED));
    throw failed(`${url.href}: the server sent a message (${what}), not the file: ${quoted(text)}`);
}

/**
 * What is different between two answers, if they are of two files.
 * @param {Identity} before
 * @param {Identity} now
 * @returns {string | null}
 */
export function difference(before, now) {
    for (const [key, name] of /** @type {const} */ ([
        ['etag', 'ETag'],
        ['last_modified', 'Last-Modified'],
        ['length', 'length'],
    ])) {
        const [old, other] = [before[key], now[key]];
        if (old === null || other === null) continue;
        return old === other ? null : `its ${name} was ${old} and is ${other} now`;
    }
    return null;
}

/**
 * @param {string} message
 * @param {unknown} [cause]
 */
export function failed(message, cause) {
    return new BertError('FETCH_FAILED', message, cause === undefined ? undefined : { cause });
}

/**
 * The same where another try may help.
 * @param {string} message
 * @param {unknown} [cause]
 * @param {number} [retry_after]
 */
export function passing(message, cause, retry_after = 0) {
    /** @type {BertError & Passing} */
    const error = failed(message, cause);
    return Object.assign(error, { is_passing: true, retry_after });
}

/**
 * What the platform says: Node has the reason in the cause.
 * @param {any} error
 * @returns {string}
 */
export function reasonOf(error) {
    const own = error?.message ?? String(error);
    return error?.cause?.message ? `${own}: ${error.cause.message}` : own;
}

/**
 * @param {URL} url
 * @param {string} what
 */
function page(url, what) {
    const error = failed(
        `${url.href}: the server sent a page (${what}), not the file: is the address right? ` +
            'Hosts of apps send their page for every path that they do not have',
    );
    return Object.assign(error, { status: 404 });
}

/**
 * @param {URL} url
 * @param {Response} response  which is not the file
 * @param {string} what
 */
async function refusal(url, response, what) {
    const { status, redirected } = response;
    const said = await messageOf(response);
    const message = `${url.href}: ${what}${said && `: ${said}`}${adviceFor(status)}`;
    // An address that a server redirects to may have expired.
    const is_expired = redirected && [401, 403, 404, 410].includes(status);
    const may_pass = status >= 500 || [408, 425, 429].includes(status) || is_expired;
    const error = may_pass
        ? passing(message, undefined, retryAfter(response.headers.get('retry-after')))
        : failed(message);
    return Object.assign(error, { status });
}

/** @param {number} status */
function adviceFor(status) {
    if (status === 401 || status === 403)
        return ': may everyone read it, and is the address right?';
    if (status === 404 || status === 410) return ': is the address right?';
    if (status === 429 || status >= 500) return ': the server is busy or broken, try again later';
    return '';
}

/** @param {string | null} header  seconds, or a date */
function retryAfter(header) {
    if (!header) return 0;
    const ms = /^\d+$/.test(header) ? 1000 * Number(header) : Date.parse(header) - Date.now();
    return Math.max(0, Math.min(ms || 0, MOST_RETRY_AFTER));
}

/**
 * What the server says, if it says it in words.
 * @param {Response} response
 * @returns {Promise<string>}
 */
async function messageOf({ headers, body }) {
    const is_text = /json|text\/plain/i.test(headers.get('content-type') ?? '');
    const reader = body?.getReader();
    try {
        const { value } = is_text && reader ? await reader.read() : { value: undefined };
        return value ? quoted(new TextDecoder().decode(value)) : '';
    } catch {
        return ''; // the status is told
    } finally {
        reader?.cancel().catch(() => {});
    }
}

/** @param {string} text */
function quoted(text) {
    let said = text;
    try {
        const { error, message, detail } = JSON.parse(text);
        const value = error?.message ?? error ?? message ?? detail;
        if (typeof value === 'string') said = value;
    } catch {} // as it is
    return JSON.stringify(said.trim().slice(0, MOST_QUOTED));
}

/**
 * Where redirects have led; what follows `?` may be a signature.
 * @param {URL} url
 * @param {Response} response
 */
function wayOf(url, { redirected, url: final }) {
    if (!redirected || !URL.canParse(final)) return '';
    const { origin, pathname } = new URL(final);
    return origin + pathname === url.origin + url.pathname ? '' : `, from ${origin}${pathname}`;
}

/**
 * A page is not told why there is no answer.
 * @param {URL} url
 */
function hintOf({ protocol, origin }) {
    const page = globalThis.location;
    if (!page || page.origin === origin) return '';
    if (page.protocol === 'https:' && protocol === 'http:') {
        return ': a page of https: cannot read from http:';
    }
    return (
        ': is the server up, does it let other origins read (Access-Control-Allow-Origin), ' +
        "and the page's Content-Security-Policy connect?"
    );
}
