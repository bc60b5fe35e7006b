/** How numbers are written. */

const ONE_DIGIT = { minimumFractionDigits: 1, maximumFractionDigits: 1 };
const percent = new Intl.NumberFormat('en-GB', { style: 'percent', ...ONE_DIGIT });
const oneDigit = new Intl.NumberFormat('en-GB', ONE_DIGIT);
const twoDigits = new Intl.NumberFormat('en-GB', {
    minimumFractionDigits: 2,
    maximumFractionDigits: 2,
});
const whole = new Intl.NumberFormat('en-GB', { maximumFractionDigits: 0 });

/** @param {number} share  0 to 1 */
export const inPercent = (share) => percent.format(share);

/** @param {number} n_bytes */
export const inMegabytes = (n_bytes) => `${oneDigit.format(n_bytes / 1e6)} MB`;

/** @param {number} n */
export const inWhole = (n) => whole.format(n);

/** @param {number} n  with one digit after the point */
export const inTenths = (n) => oneDigit.format(n);

/** @param {number} n  with two digits after the point: how alike two vectors are */
export const inHundredths = (n) => twoDigits.format(n);

/** @param {number} n @param {string} unit  in the singular */
export const inUnits = (n, unit) => `${whole.format(n)} ${unit}${n === 1 ? '' : 's'}`;

/** @param {number} seconds */
export function inTime(seconds) {
    if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`;
    return `${Math.round(seconds / 60)} min`;
}

/** Of a disk, which may have much. @param {number} n_bytes */
export const inSize = (n_bytes) =>
    n_bytes < 1e9 ? inMegabytes(n_bytes) : `${oneDigit.format(n_bytes / 1e9)} GB`;

/** @param {number} n_bytes  Infinity where the browser does not say */
export const freeWords = (n_bytes) =>
    Number.isFinite(n_bytes)
        ? `${inSize(n_bytes)} are free`
        : 'the browser does not say how much is free';

/**
 * How far a download is.
 * @param {number} loaded  bytes
 * @param {number} total  0: not known yet
 * @param {number} rate  bytes a second; 0: not known yet
 */
export function inArrival(loaded, total, rate) {
    if (!total) return loaded ? inMegabytes(loaded) : 'Starting …';
    const left = total - loaded;
    const time =
        rate > 0 && left > 0 ? `, ${inTenths(rate / 1e6)} MB/s, ${inTime(left / rate)} left` : '';
    return `${inMegabytes(loaded)} of ${inMegabytes(total)}${time}`;
}
