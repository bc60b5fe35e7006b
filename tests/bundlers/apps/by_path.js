import { pipeline } from './bert-wasm/index.js';

async function main() {
    const classify = await pipeline('sentiment-analysis');
    const answers = await classify('What a wonderful film.');
    const { threads, threads_reason } = await classify.model.info();
    document.body.append(JSON.stringify({ answers, threads, threads_reason }));
}

main();
