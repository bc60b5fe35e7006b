/**
 * What i32x4.relaxed_dot_i8x16_i7x16_add_s makes of bytes here, found by running it. Of its second
 * side it promises 7 bits alone: x64 with VNNI takes 8 as unsigned, ARM and newer x64 as signed,
 * and what has neither adds pairs in 16 bits, which saturate. An engine has one instruction for
 * both of its compilers, so a try holds.
 *
 * But the baseline compiler of V8 11 (Node 20, behind a flag) overwrites one of its operands when
 * that lies in the result's register, so a kernel with it gives wrong numbers until it is compiled
 * for speed. Seen on an Intel CPU with AVX-VNNI. There the instruction is not used.
 */

const WEIGHT = 127;
const START = 7;

const lanes = (/** @type {number[]} */ bytes) => [0xfd, 0x0c, ...bytes];
const splat8 = (/** @type {number} */ value) => lanes(new Array(16).fill(value));
const splat32 = (/** @type {number} */ value) =>
    lanes([0, 1, 2, 3].flatMap(() => [value, 0, 0, 0]));

/**
 * (module (func (export "f") (result i32)) of one dot product per lane: START + 4 * (WEIGHT * x).
 * @param {number} x  a byte
 */
function moduleOf(x) {
    // biome-ignore format: an instruction a row
    const body = [
        0, ...splat8(WEIGHT), ...splat8(x), ...splat32(START), 0xfd, 0x93, 0x02, // relaxed_dot_add
        0xfd, 0x1b, 0, // i32x4.extract_lane 0
        0x0b,
    ];
    // biome-ignore format: as the sections of a module are read
    return new Uint8Array([
        0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 5, 1, 0x60, 0, 1, 0x7f, 3, 2, 1, 0,
        7, 5, 1, 1, 0x66, 0, 0, 10, body.length + 2, 1, body.length, ...body,
    ]);
}

/** @param {number} x */
const sumOf = (x) => START + 4 * WEIGHT * x;

/** @typedef {'unsigned' | 'signed' | '7 bits' | null} SecondSide */

/** @type {SecondSide | undefined} */
let found;

/**
 * How the instruction takes its second side: all of its bytes, or those below 128.
 * @returns {SecondSide}  null: there is no such instruction, it is wrong, or it cannot be tried
 */
export function relaxedDot() {
    if (found !== undefined) return found;
    const of_200 = tryIt(200);
    found =
        tryIt(127) !== sumOf(127)
            ? null
            : of_200 === sumOf(200)
              ? 'unsigned'
              : of_200 === sumOf(200 - 256)
                ? 'signed'
                : '7 bits';
    return found;
}

/**
 * The first call runs what the baseline compiler made.
 * @param {number} x
 */
function tryIt(x) {
    const module = moduleOf(x);
    try {
        const { exports } = new WebAssembly.Instance(new WebAssembly.Module(module));
        return /** @type {() => number} */ (exports.f)();
    } catch {
        return null; // an edge runtime compiles nothing while it runs
    }
}
