/**
 * Dates as people write them, as days since 1970. A day is the day that is written: hours and time
 * zones behind it change nothing.
 */

const DAY = 86_400_000;

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];

const YEAR_FIRST = /^(\d{4})[-/.](\d{1,2})(?:[-/.](\d{1,2}))?(?:[T\s].*)?$/;
const COMPACT = /^((?:19|20)\d\d)(\d\d)(\d\d)$/;
const NUMBERS = /^(\d{1,2})[-/.](\d{1,2})[-/.](\d{4}|\d{2})(?:[,T\s].*)?$/;
const DAY_NAME =
    /^(?:[a-z]{2,9},? )?(\d{1,2})(?:st|nd|rd|th)?[-. ]+([a-z]{3,9})\.?,?[- ](\d{4})\b/i;
const NAME_DAY = /^(?:[a-z]{2,9},? )?([a-z]{3,9})\.? (\d{1,2})(?:st|nd|rd|th)?,? (\d{4})\b/i;

/**
 * @param {string} text
 * @param {boolean} is_day_first  how 01/02/2025 is read
 * @returns {number}  days since 1970, or NaN
 */
export function parseDay(text, is_day_first) {
    const written = text.trim();
    let parts = YEAR_FIRST.exec(written);
    if (parts) return dayOf(+parts[1], +parts[2], +(parts[3] ?? 1));
    parts = COMPACT.exec(written);
    if (parts) return dayOf(+parts[1], +parts[2], +parts[3]);
    parts = NUMBERS.exec(written);
    if (parts) {
        const [, a, b, y] = parts.map(Number);
        const year = parts[3].length === 2 ? (y < 70 ? 2000 : 1900) + y : y;
        // Where one order gives no day, the other is meant.
        const first = is_day_first ? dayOf(year, b, a) : dayOf(year, a, b);
        return Number.isNaN(first)
            ? dayOf(year, is_day_first ? a : b, is_day_first ? b : a)
            : first;
    }
    parts = DAY_NAME.exec(written);
    if (parts) return dayOf(+parts[3], monthOf(parts[2]), +parts[1]);
    parts = NAME_DAY.exec(written);
    return parts ? dayOf(+parts[3], monthOf(parts[1]), +parts[2]) : NaN;
}

/** @param {string} name */
const monthOf = (name) => MONTHS.indexOf(name.slice(0, 3).toLowerCase()) + 1;

/** @param {number} year @param {number} month @param {number} day */
function dayOf(year, month, day) {
    const date = new Date(Date.UTC(year, month - 1, day));
    return date.getUTCMonth() === month - 1 && date.getUTCDate() === day && month > 0
        ? date.getTime() / DAY
        : NaN;
}

/**
 * @typedef {object} Days
 * @property {Float64Array} days  NaN where there is no date
 * @property {number} n_bad  cells that are neither empty nor a date
 * @property {boolean} is_day_first
 * @property {string} ambiguous  a date that may be read in two ways, if nothing in the column says
 *   in which; else ''
 */

/**
 * The dates of a column. In which order days and months stand, the column itself says, where a
 * number is above 12; else it is the day first.
 * @param {string[]} cells
 * @param {'day' | 'month' | undefined} wanted  which is first
 * @returns {Days}
 */
export function readDays(cells, wanted) {
    let [n_day, n_month] = [0, 0];
    let ambiguous = '';
    for (const cell of cells) {
        const parts = NUMBERS.exec(cell.trim());
        if (!parts) continue;
        if (+parts[1] > 12) n_day++;
        else if (+parts[2] > 12) n_month++;
        else if (parts[1] !== parts[2]) ambiguous ||= cell.trim();
    }
    const is_day_first = wanted ? wanted === 'day' : n_day >= n_month;
    const days = Float64Array.from(cells, (cell) => (cell ? parseDay(cell, is_day_first) : NaN));
    const n_bad = cells.reduce(
        (n, cell, i) => n + Number(!!cell.trim() && Number.isNaN(days[i])),
        0,
    );
    const is_sure = (n_day === 0) !== (n_month === 0);
    return { days, n_bad, is_day_first, ambiguous: is_sure ? '' : ambiguous };
}

/** @typedef {'day' | 'week' | 'month' | 'year'} Period */

/**
 * What parts some days well.
 * @param {number} n_days  from the first to the last
 * @returns {Period}
 */
export function periodFor(n_days) {
    if (n_days <= 45) return 'day';
    if (n_days <= 400) return 'week';
    return n_days <= 3650 ? 'month' : 'year';
}

/** The first day of the period that a day lies in. @param {number} day @param {Period} period */
export function beginOf(day, period) {
    if (period === 'day') return day;
    if (period === 'week') return day - ((((day + 3) % 7) + 7) % 7); // 1970 began on a Thursday
    const date = new Date(day * DAY);
    return Date.UTC(date.getUTCFullYear(), period === 'year' ? 0 : date.getUTCMonth()) / DAY;
}

/** The first day of the next one. @param {number} day @param {Period} period */
export function nextOf(day, period) {
    if (period === 'day') return day + 1;
    if (period === 'week') return day + 7;
    const date = new Date(day * DAY);
    return (
        (period === 'year'
            ? Date.UTC(date.getUTCFullYear() + 1, 0)
            : Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1)) / DAY
    );
}

const long = new Intl.DateTimeFormat('en-GB', { dateStyle: 'long', timeZone: 'UTC' });
const short = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', timeZone: 'UTC' });
const month = new Intl.DateTimeFormat('en-GB', {
    month: 'short',
    year: 'numeric',
    timeZone: 'UTC',
});

/** @param {number} day */
export const inLong = (day) => long.format(day * DAY);

/** As narrow as an axis needs it. @param {number} day @param {Period} period */
export function inShort(day, period) {
    if (period === 'year') return String(new Date(day * DAY).getUTCFullYear());
    return (period === 'month' ? month : short).format(day * DAY);
}
