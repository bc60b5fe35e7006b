/** The sentences as a CSV file: their groups, and their places on the map. */

/**
 * @param {import('./compare.js').Compared} compared
 * @param {import('./groups.js').Grouping} grouping
 */
export function csvOf({ sentences, answer }, { groups, group_of }) {
    const quoted = (/** @type {string} */ text) => `"${text.replaceAll('"', '""')}"`;
    const rows = sentences.map((sentence, i) => {
        const group = group_of[i];
        const [number, name] = group < 0 ? ['', ''] : [group + 1, quoted(groups[group].name)];
        const [x, y] = [answer.points[2 * i], answer.points[2 * i + 1]];
        return [quoted(sentence), number, name, x.toFixed(6), y.toFixed(6)].join(',');
    });
    return ['sentence,group,group_name,x,y', ...rows, ''].join('\r\n');
}
