/** Texts to begin with: what such a model is good at, and what it finds hard. */

/** @type {{name: string, about: string, text: string}[]} */
export const EXAMPLES = [
    {
        name: 'Mixed',
        about: 'Praise and blame in one text: a verdict for both says little, its words say more.',
        text:
            'The acting is superb and the music is lovely, but the story drags and the ending is ' +
            'a mess.',
    },
    {
        name: 'Undecided',
        about: 'Two halves that outweigh each other.',
        text: 'Good coffee, slow service.',
    },
    {
        name: 'Irony',
        about: 'Irony is hard: the words are kind, and mean the opposite.',
        text: 'Oh great, the train is late again.',
    },
    {
        name: 'Negation',
        about: 'A word that turns another round has to be read with it.',
        text: 'Not bad at all, in fact I would go again.',
    },
    {
        name: 'A plain fact',
        about: 'It praises nothing and blames nothing: neutral.',
        text: 'The meeting is on Tuesday at three.',
    },
    {
        name: 'Not English',
        about: 'The model has learnt from English alone.',
        text: 'Das Essen war nicht schlecht, und die Bedienung war sehr freundlich.',
    },
    {
        name: 'A long review',
        about: 'A longer text is read as a whole, and sentence by sentence.',
        text: [
            'We booked the cottage for a week in May, and the first evening was a delight.',
            'The garden is full of roses, the kitchen has everything, and the beds are wonderful.',
            'The owner had left us fresh bread and a bottle of cider.',
            'On the second day the boiler broke.',
            'For three days there was no hot water, and nobody answered the telephone.',
            'When a plumber came at last, he had the wrong part with him.',
            'We washed in the sea, which was horribly cold.',
            'On Friday the owner came herself, apologised, and gave us half of our money back.',
            'That was more than fair, and the last two days were lovely again.',
            'Would we return?',
            'Yes, gladly, but in August.',
        ].join(' '),
    },
];
