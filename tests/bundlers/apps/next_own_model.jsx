'use client';

import { pipeline, similarity } from 'bert-wasm';
import { Tokenizer } from 'bert-wasm/tokenizer';
import { useEffect, useState } from 'react';

import { report } from '../report.js';

/** Of one model, however often the effect runs. */
let found;

export default function Page() {
    const [text, setText] = useState('');
    useEffect(() => {
        found ??= report({ pipeline, similarity, Tokenizer }, 'own.safetensors');
        found.then((it) => setText(JSON.stringify(it)));
    }, []);
    return <p>{text}</p>;
}
