'use client';

import { pipeline, similarity } from 'bert-wasm';
import { Tokenizer } from 'bert-wasm/tokenizer';
import { useEffect, useState } from 'react';

import { report } from '../report.js';
import { classifyOnServer } from './actions';

async function main() {
    const page = await report({ pipeline, similarity, Tokenizer });
    return { ...page, server: await classifyOnServer('What a wonderful film.') };
}

export default function Page() {
    const [text, setText] = useState('');
    useEffect(() => {
        main().then((found) => setText(JSON.stringify(found)));
    }, []);
    return <p>{text}</p>;
}
