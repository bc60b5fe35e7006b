'use client';

import { pipeline } from 'bert-wasm';
import { useEffect, useState } from 'react';

import { classifyOnServer } from './actions';

export default function Page() {
    const [text, setText] = useState('');
    useEffect(() => {
        async function main() {
            const classify = await pipeline('sentiment-analysis');
            const answers = await classify('What a wonderful film.');
            const { threads, threads_reason } = await classify.model.info();
            const server = await classifyOnServer('What a wonderful film.');
            setText(JSON.stringify({ answers, threads, threads_reason, server }));
        }
        main();
    }, []);
    return <p>{text}</p>;
}
