/**
 * Whether i32x4.relaxed_dot_i8x16_i7x16_add_s can be relied on. The baseline compiler of V8 11
 * (Node 20, behind a flag) overwrites one of its operands when that lies in the result's register,
 * so a kernel with it gives wrong numbers until it is compiled for speed. Seen on an Intel CPU with
 * AVX-VNNI.
 */

const lanes = (/** @type {number[]} */ bytes) => [0xfd, 0x0c, ...bytes];
const splat8 = (/** @type {number} */ value) => lanes(new Array(16).fill(value));
const splat32 = (/** @type {number} */ value) =>
    lanes([0, 1, 2, 3].flatMap(() => [value, 0, 0, 0]));

/** (module (func (export "f") (result i32)) of one dot product per lane: 7 + 4 * (3 * 5). */
// biome-ignore format: an instruction a row
const BODY = [
    0, ...splat8(3), ...splat8(5), ...splat32(7), 0xfd, 0x93, 0x02, // relaxed_dot_add
    0xfd, 0x1b, 0, // i32x4.extract_lane 0
    0x0b,
];
// biome-ignore format: as the sections of a module are read
const MODULE = new Uint8Array([
    0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 5, 1, 0x60, 0, 1, 0x7f, 3, 2, 1, 0,
    7, 5, 1, 1, 0x66, 0, 0, 10, BODY.length + 2, 1, BODY.length, ...BODY,
]);
const EXPECTED = 7 + 4 * 3 * 5;

/** @type {boolean | undefined} */
let sound;

/** @returns {boolean}  also false where there is no such instruction, or it cannot be tried */
export function isDotSound() {
    sound ??= WebAssembly.validate(MODULE) && tryIt() === EXPECTED;
    return sound;
}

/** The first call runs what the baseline compiler made. */
function tryIt() {
    try {
        const { exports } = new WebAssembly.Instance(new WebAssembly.Module(MODULE));
        return /** @type {() => number} */ (exports.f)();
    } catch {
        return null; // an edge runtime compiles nothing while it runs
    }
}
