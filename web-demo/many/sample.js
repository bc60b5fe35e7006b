/** A file to try the view with: what visitors of a town's leisure centre might write. */

/** Groups, and comments of each. @type {[string, string[]][]} */
const COMMENTS = [
    [
        'Pool',
        [
            'The water was lovely and warm, and the lanes were never crowded. I will be back.',
            'Changing rooms were filthy. Hair in every drain and no hot water in two showers.',
            'Swimming teacher was patient with my daughter, who was scared of the deep end.',
            'Closed without notice for the second time this month. I had cycled half an hour.',
            'The pool is fine.',
            'Too much chlorine, my eyes stung for the rest of the day.',
            'Best early swim in the area, and the staff greet you by name.',
            'Lockers took my coin and did not give it back, and nobody at the desk cared.',
            'Nice and quiet before eight, hopeless after school.',
            'The new slide is brilliant, the children did not want to leave.',
            'Water was colder than it should be, though the sauna made up for it.',
            'I have been coming for ten years and it has never looked so good.',
        ],
    ],
    [
        'Gym',
        [
            'Half of the treadmills have been out of order since spring.',
            'Clean machines, plenty of space, and good music at a sensible volume.',
            'The induction was rushed. I still do not know how to set up the rowing machine.',
            'Very helpful trainer, she changed my plan after I hurt my knee.',
            'Smells of sweat, the air conditioning does nothing.',
            'Good value for the price.',
            'People leave their weights everywhere and no one says a word to them.',
            'Open until ten now, which is exactly what we asked for. Thank you!',
            'It is a gym. It has weights.',
            'I was charged twice in June and it took three letters to get my money back.',
            'Friendly crowd, nobody stares at beginners.',
            'The mirrors are cracked and the mats are worn through.',
        ],
    ],
    [
        'Classes',
        [
            'The yoga class on Thursday is the high point of my week.',
            'Booked, paid, arrived: cancelled. Nobody had told us.',
            'Great energy, clear instructions, I could follow although it was my first time.',
            'Too loud. I asked for the music to be turned down and was laughed at.',
            'The waiting list for pilates is endless, please offer a second course.',
            'Our instructor was ill and the replacement was every bit as good.',
            'Boring. The same routine for eight weeks.',
            'A warm and welcoming group, I have made friends here.',
            'The hall was freezing and we kept our coats on for half the class.',
            'Not bad at all, better than I had expected.',
            'I would not recommend the dance course to anyone over fifty with bad hips.',
            'Excellent, simply excellent.',
        ],
    ],
    [
        'Booking',
        [
            'The website lost my booking and charged me anyway.',
            'Booking took me one minute on the phone, very smooth.',
            'Why do I need to enter my address three times?',
            'I could not find the price for families anywhere.',
            'The reminder the day before is really useful.',
            'Error 500 when paying. Tried again, error 500. Gave up.',
            'Cancelling was easy and the refund came the next day.',
            'Your form does not accept my surname because it has an apostrophe. Every single time.',
            'Much better than the old system.',
            'The calendar shows the wrong week on my phone, so I missed my slot.',
            'Works well with a screen reader, thank you for that.',
            'Where is the button to change the date?',
        ],
    ],
    [
        'Café',
        [
            'Lovely carrot cake and proper coffee.',
            'We waited forty minutes for two sandwiches, and they were stale.',
            'Prices went up again, portions went down.',
            'The lady at the counter remembered that my son is allergic to nuts. Wonderful.',
            'Tables were sticky and the bins were overflowing.',
            'Good soup, cosy corner, I stayed for hours.',
            'They only take cards now, and my mother does not have one.',
            'Coffee was cold, but they made me a new one at once and apologised.',
            'Nothing for vegans except crisps.',
            'The terrace in the sun is a delight.',
            'Opening hours on the door and on the website do not agree.',
            'A bit noisy on Sundays, otherwise a pleasure.',
        ],
    ],
];

/** The first day, and days between one comment and the next. */
const FIRST = Date.UTC(2025, 8, 1);
const STEP = 1.4;

/** @returns {Blob} CSV */
export function sampleFile() {
    const lines = ['date,area,comment'];
    const n = COMMENTS.reduce((sum, [, comments]) => sum + comments.length, 0);
    for (let i = 0; i < n; i++) {
        const [area, comments] = COMMENTS[i % COMMENTS.length];
        const comment = comments[Math.floor(i / COMMENTS.length)];
        const date = new Date(FIRST + Math.floor(i * STEP) * 86_400_000).toISOString().slice(0, 10);
        lines.push(`${date},${area},"${comment.replaceAll('"', '""')}"`);
    }
    return new Blob([`${lines.join('\n')}\n`], { type: 'text/csv' });
}
