/**
 * Lines to try the view with: what might be written to a small theatre. They were made up for this
 * page; anybody may use them (CC0).
 */

/** By label. @type {Record<string, string[]>} */
const LINES = {
    praise: [
        'The set was breathtaking, and the lead sang as if it were her last night on earth.',
        'Thank you for a wonderful evening, my parents still talk about it.',
        'What a cast! We laughed until it hurt.',
        'Your usher found my lost scarf and brought it to my seat. So kind.',
        'The best Hamlet I have seen in twenty years.',
        'Lovely bar, friendly people, fair prices.',
        'The new seats are a joy, I could have sat there all night.',
        'I brought my class and every child was spellbound.',
        'The orchestra deserved every second of that applause.',
        'Buying the tickets took half a minute, well done.',
        'Such a warm welcome at the door, we felt like guests of the family.',
        'The lighting in the second act was pure magic.',
        'A brave, funny and moving play. Please do more like it.',
        'The captions let my deaf brother enjoy a play for the first time. Thank you.',
        'Delightful from the first line to the last.',
        'I came in a bad mood and left singing.',
        'The costumes were a feast for the eyes.',
        'Great sound, even in the last row of the gallery.',
        'My compliments to the young actor who stepped in at an hour’s notice.',
        'We have had a season ticket since 1998 and this was the finest year.',
    ],
    complaint: [
        'We could not hear a word from the back of the stalls.',
        'The heating was off and we sat in our coats all evening.',
        'I was charged twice for one ticket and nobody answers my letters.',
        'The play began half an hour late without a word of explanation.',
        'A pillar stood right in front of us, and your plan of seats does not show it.',
        'The interval was far too short, I spent all of it in the queue.',
        'The toilets were dirty and there was no soap.',
        'The people behind us talked all through it and your staff did nothing.',
        'Twelve pounds for a glass of warm wine is a disgrace.',
        'The lift was out of order, and my husband uses a wheelchair.',
        'Your website lost my booking the moment I paid.',
        'The second act dragged on for ever, and half the audience left.',
        'The smoke on the stage made me cough for an hour.',
        'You moved us to worse seats and gave us nothing back.',
        'The programme is full of mistakes, even the name of the author is wrong.',
        'My seat was broken and had been taped together.',
        'The music was so loud that my daughter had to cover her ears.',
        'The man at the cloakroom was rude, and then he lost my umbrella.',
        'It was cancelled an hour before, when we were already on the train.',
        'Not one of the actors could be understood.',
    ],
    question: [
        'When does the box office open on Sundays?',
        'Is there a place to leave a bicycle?',
        'Could you tell me how long the interval is?',
        'Do students pay less on weekdays?',
        'Can I change my tickets for another evening?',
        'Are there seats for two wheelchairs side by side?',
        'How old must a child be for the matinee?',
        'I would like to know whether the play has captions.',
        'Where can we park near the stage door?',
        'Will the autumn programme be sent by post?',
        'May I bring a guide dog?',
        'Which bus goes back to town after the last act?',
        'Please let me know if the bar takes cards.',
        'Who designs the posters, and can one buy them?',
        'Is the first of May sold out already?',
        'How do I give a ticket to a friend as a present?',
        'Could a group of thirty come to a rehearsal?',
        'What is the name of the song at the end?',
        'Are latecomers let in during the first act?',
        'Does the season ticket include the concerts?',
    ],
};

/** @returns {Blob} a text, a tab and its label, a line each */
export function sampleFile() {
    const labels = Object.keys(LINES);
    const n = LINES[labels[0]].length;
    const lines = Array.from({ length: n }, (_, i) =>
        labels.map((label) => `${LINES[label][i]}\t${label}`),
    ).flat();
    const text = ['text\tlabel', ...lines, ''].join('\n');
    return new Blob([text], { type: 'text/tab-separated-values' });
}
