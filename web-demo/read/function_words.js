/**
 * Words that hold sentences together and say little of how they sound: they get no colour unless
 * nothing else in the text weighs nearly as much. Words that turn a meaning round are not among
 * them: not, no, never, but, without, too, only, even, so, very.
 */

const QUIET = new Set(
    (
        'a an the this that these those i you he she it we they me him her us them my your his ' +
        'its our their mine yours hers ours theirs myself yourself himself herself itself ' +
        'ourselves themselves who whom whose which what when where why how there here of in on ' +
        'at by to from into onto with about as for through during before after above below over ' +
        'under between among around upon per via and or if than then because while since until ' +
        'though although am is are was were be been being do does did doing have has had having ' +
        'will would shall should can could may might must s t d m re ve ll i’m it’s i’ve i’d ' +
        'i’ll that’s there’s he’s she’s we’re you’re they’re we’ve you’ve they’ve what’s who’s ' +
        'let’s'
    ).split(' '),
);

/** @param {string} word  any, or a punctuation mark */
export function isQuiet(word) {
    return !/[\p{L}\p{N}\p{Extended_Pictographic}]/u.test(word) || QUIET.has(plain(word));
}

/** How many of these words are among them, 0 to 1. @param {string[]} words */
export function shareOfQuiet(words) {
    return words.filter((word) => QUIET.has(plain(word))).length / Math.max(1, words.length);
}

/** @param {string} word */
const plain = (word) => word.toLowerCase().replaceAll("'", '’');
