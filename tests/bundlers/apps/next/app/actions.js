'use server';

import { pipeline } from 'bert-wasm';

let classifier;

export async function classifyOnServer(text) {
    classifier ??= pipeline('sentiment-analysis');
    const classify = await classifier;
    return classify(text);
}
