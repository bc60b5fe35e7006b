/** bert-wasm/tokenizer. */

import { Tokenizer } from 'bert-wasm/tokenizer';

const tokenizer = Tokenizer.fromJSON(new Uint8Array(1));
const one = tokenizer.encode('a', {
    text_pair: 'b',
    truncation: { max_length: 512, strategy: 'only_first' },
});
const ids: Uint32Array = one.ids;
const offsets: Uint32Array = one.offsets;
const sequence: Int8Array = one.sequence;
const tokens: string[] = one.tokens;
const more: number[] = one.overflow.map((each) => each.length);
const many = tokenizer
    .encodeBatch(['a', ['a', 'b']], { add_special_tokens: false })
    .map((each) => each.type_ids.length);
const text: string =
    tokenizer.decode(one.ids, { skip_special_tokens: false }) + tokenizer.decode([1, 2]);
const id: number | null = tokenizer.tokenToId('[MASK]');
const token: string | null = tokenizer.idToToken(5);
// @ts-expect-error
tokenizer.encode(5);
// @ts-expect-error
tokenizer.encode('a', { pair: 'b' });
// @ts-expect-error
tokenizer.encodeBatch('a');
// @ts-expect-error
tokenizer.decode(['a']);
// @ts-expect-error
tokenizer.tokenToId('a').toFixed();
// @ts-expect-error
tokenizer.model;

export { id, ids, many, more, offsets, sequence, text, token, tokens };
