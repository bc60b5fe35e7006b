/**
 * A picture of bars as SVG, in panels. It brings its own ground, light or dark as the reader's
 * system is.
 */

/**
 * @typedef {object} Panel
 * @property {string} title
 * @property {{name: string, value: number, text: string, kind: string}[]} bars
 *   kind: 'ours', 'peer' or 'native'
 */

const COLUMN = { width: 430, count: 2 };
const MARGIN = 22;
const LABEL = 168; // px for names
const VALUE = 66; // px for numbers, right of the longest bar
const LINE = 24;
const BAR = 14;
const TITLE = 30;

const STYLE = `
    .ground { fill: #ffffff; stroke: #d0d7de }
    text { font: 12px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #424a53 }
    .title { font-weight: 600; fill: #1f2328 }
    .ours { font-weight: 600; fill: #1f2328 }
    rect.ours { fill: #1a7f64 } rect.peer { fill: #a3adb8 } rect.native { fill: #d8dee4 }
    @media (prefers-color-scheme: dark) {
        .ground { fill: #16181c; stroke: #30363d }
        text { fill: #aab4be }
        .title, .ours { fill: #f0f3f6 }
        rect.ours { fill: #3fb992 } rect.peer { fill: #6b7682 } rect.native { fill: #3d454e }
    }`;

/**
 * @param {Panel[]} panels
 * @returns {string}
 */
export function drawBars(panels) {
    const rows = Array.from({ length: Math.ceil(panels.length / COLUMN.count) }, (_, i) =>
        panels.slice(i * COLUMN.count, (i + 1) * COLUMN.count),
    );
    const heights = rows.map(
        (row) => TITLE + LINE * Math.max(...row.map(({ bars }) => bars.length)) + MARGIN,
    );
    const width = COLUMN.width * Math.min(COLUMN.count, panels.length) + MARGIN;
    const caption = 'MiniLM-L6, one thread; shorter is better';
    const height = heights.reduce((sum, value) => sum + value, MARGIN) + MARGIN;
    let top = MARGIN;
    const drawn = rows.map((row, i) => {
        const group = row
            .map((panel, column) => drawPanel(panel, MARGIN + column * COLUMN.width, top))
            .join('');
        top += heights[i];
        return group;
    });
    return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}"
    viewBox="0 0 ${width} ${height}" role="img" aria-label="${caption}">
<style>${STYLE}
</style>
<rect class="ground" x="0.5" y="0.5" width="${width - 1}" height="${height - 1}" rx="8"/>
${drawn.join('')}<text x="${MARGIN}" y="${height - MARGIN / 2 - 4}">${caption}</text>
</svg>
`;
}

/**
 * @param {Panel} panel
 * @param {number} left
 * @param {number} top
 */
function drawPanel({ title, bars }, left, top) {
    const longest = Math.max(...bars.map(({ value }) => value));
    const room = COLUMN.width - MARGIN - LABEL - VALUE;
    const lines = bars.map(({ name, value, text, kind }, i) => {
        const y = top + TITLE + i * LINE;
        const length = Math.max(1, (room * value) / longest).toFixed(1);
        const baseline = y + BAR - 2.5;
        return (
            `<text class="${kind}" x="${left}" y="${baseline}">${escaped(name)}</text>` +
            `<rect class="${kind}" x="${left + LABEL}" y="${y}" width="${length}" ` +
            `height="${BAR}" rx="2"/>` +
            `<text class="${kind}" x="${left + LABEL + Number(length) + 6}" ` +
            `y="${baseline}">${escaped(text)}</text>\n`
        );
    });
    return (
        `<text class="title" x="${left}" ` +
        `y="${top + 14}">${escaped(title)}</text>\n${lines.join('')}`
    );
}

/** @param {string} text */
function escaped(text) {
    return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
