'use client';

import { pipeline, similarity } from 'bert-wasm';
import { Tokenizer } from 'bert-wasm/tokenizer';
import { useEffect, useState } from 'react';

import { report } from '../report.js';

export default function Page() {
    const [text, setText] = useState('');
    useEffect(() => {
        report({ pipeline, similarity, Tokenizer }, 'own.safetensors').then((found) =>
            setText(JSON.stringify(found)),
        );
    }, []);
    return <p>{text}</p>;
}
