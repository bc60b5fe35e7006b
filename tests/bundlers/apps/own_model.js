import { pipeline, similarity } from 'bert-wasm';
import { Tokenizer } from 'bert-wasm/tokenizer';

import { show } from './report.js';

show({ pipeline, similarity, Tokenizer }, 'own.safetensors');
