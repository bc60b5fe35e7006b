/**
 * The bundled model on everyday sentences, which are in none of its data. How good it is on
 * held-out data is measured by bench/sentiment.js.
 */

import assert from 'node:assert/strict';
import { after, test } from 'node:test';

import { pipeline } from 'bert-wasm';

const classify = await pipeline('sentiment-analysis');
after(() => classify.dispose());

/** What the model before, which had no NEUTRAL, called otherwise. */
const ONCE_WRONG = {
    'The staff were friendly and the room was spotless.': 'POSITIVE',
    'They replaced it within a day, no questions asked.': 'POSITIVE',
    'Cheap, quick and does what it says.': 'POSITIVE',
    'Oh great, the train is late again.': 'NEGATIVE',
    'The meeting is on Tuesday at three.': 'NEUTRAL',
    'Could you send me the invoice?': 'NEUTRAL',
    'What time does breakfast start?': 'NEUTRAL',
    'How do I reset my password?': 'NEUTRAL',
    'She moved to Berlin in 2015.': 'NEUTRAL',
};

const EVERYDAY = {
    POSITIVE: [
        'Worth every penny.',
        'I had no trouble setting it up.',
        'Shipping was faster than promised.',
        'The battery easily lasts two days.',
        'Fits perfectly and looks even better than in the picture.',
        'It finally works after the update, thank you!',
    ],
    NEUTRAL: [
        'The shop is next to the station.',
        'The package contains two cables and a manual.',
        'Please change my address.',
        'I need a table for four at eight.',
        'The museum opens at ten.',
        'We took the bus.',
    ],
    NEGATIVE: [
        'The soup was cold when it came.',
        'It broke after two days.',
        'Nobody picked up when I called.',
        'The app crashes every time I open it.',
        'Not worth the money.',
        'My order arrived with half of it missing.',
    ],
};

test('three labels', () => {
    assert.deepEqual(classify.model.config.labels, ['NEGATIVE', 'NEUTRAL', 'POSITIVE']);
});

test('sentences that embarrassed the model before it', async () => {
    for (const [text, wanted] of Object.entries(ONCE_WRONG)) {
        const [{ label, score }] = await classify(text);
        assert.equal(label, wanted, `${text} (${score})`);
    }
});

for (const [wanted, texts] of Object.entries(EVERYDAY)) {
    test(`everyday sentences that are ${wanted}`, async () => {
        for (const [i, { label, score }] of (await classify(texts)).entries()) {
            assert.equal(label, wanted, `${texts[i]} (${score})`);
        }
    });
}

test('no text is no opinion', async () => {
    assert.equal((await classify(''))[0].label, 'NEUTRAL');
});
