import { pipeline, similarity } from './bert-wasm/index.js';
import { Tokenizer } from './bert-wasm/tokenizer.js';
import { show } from './report.js';

show({ pipeline, similarity, Tokenizer });
