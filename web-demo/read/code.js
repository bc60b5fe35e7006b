/** What is on screen, as code: for a page, for Node or a bundler, for a shell. */

/** Characters up to which a text is printed; a longer one is read from where it is. */
const MOST = 300;

/**
 * @param {object} what
 * @param {string} what.text
 * @param {boolean} what.is_long  longer than the model reads at once
 * @param {boolean} what.is_own  the model is the page's own, which is that of bert-wasm-sentiment
 * @param {number} what.stride
 * @returns {import('../shell/snippet.js').Snippet}
 */
export function codeOf({ text, is_long, is_own, stride }) {
    const is_printed = text.length <= MOST;
    const quoted = JSON.stringify(text);
    // What would end or change the script that it stands in.
    const in_script = quoted.replaceAll('</', '<\\/').replaceAll('<!--', '<\\!--');
    const options = is_long
        ? `{ top_k: null, overflow: 'window', stride: ${stride} }`
        : '{ top_k: null }';
    const model = is_own ? `'sentiment-analysis'` : `'text-classification', 'model.safetensors'`;
    const in_page = is_own ? model : `'text-classification', './model.safetensors'`;
    const of_page = is_printed ? in_script : `document.querySelector('textarea').value`;
    const of_node = is_printed ? quoted : `readFileSync('text.txt', 'utf8')`;
    const flags = [
        '--top-k all',
        ...(is_long ? [`--overflow window --stride ${stride}`] : []),
        ...(is_own ? [] : ['--model model.safetensors']),
        ...(is_printed && text.startsWith('-') ? ['--'] : []),
    ].join(' ');
    return {
        script: [
            '<script type="module">',
            "    import { pipeline } from './bert-wasm/index.js';",
            '',
            `    const classify = await pipeline(${in_page});`,
            `    console.log(await classify(${of_page}, ${options}));`,
            '</script>',
        ].join('\n'),
        node: [
            ...(is_printed ? [] : ["import { readFileSync } from 'node:fs';"]),
            "import { pipeline } from 'bert-wasm';",
            '',
            `const classify = await pipeline(${model});`,
            `console.log(await classify(${of_node}, ${options}));`,
            'classify.dispose();',
        ].join('\n'),
        cli: `npx bert-wasm classify ${flags} ${is_printed ? inShell(text) : '"$(cat text.txt)"'}`,
    };
}

/** @param {string} text */
const inShell = (text) => `'${text.replaceAll("'", "'\\''")}'`;
