const { pipeline } = require('bert-wasm');

pipeline('sentiment-analysis')
    .then((classify) => classify('What a wonderful film.'))
    .then(([{ label }]) => console.log(label));
