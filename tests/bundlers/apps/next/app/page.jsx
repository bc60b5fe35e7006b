'use client';

import { pipeline, similarity } from 'bert-wasm';
import { Tokenizer } from 'bert-wasm/tokenizer';
import { useEffect, useState } from 'react';

import { report } from '../report.js';
import { classifyOnServer } from './actions';

/** Of one model, however often the effect runs. */
let found;

async function main() {
    const page = await report({ pipeline, similarity, Tokenizer });
    return { ...page, server: await classifyOnServer('What a wonderful film.') };
}

export default function Page() {
    const [text, setText] = useState('');
    useEffect(() => {
        found ??= main();
        found.then((it) => setText(JSON.stringify(it)));
    }, []);
    return <p>{text}</p>;
}
