/** Sentences of a few subjects, two of them nearly the same. */
export const SAMPLE = `The rain has not stopped since Monday.
Tomorrow will be sunny and warm.
A storm is coming in from the sea.
Thick fog covered the valley this morning.
It was so cold that the lake froze over.
Add a pinch of salt to the boiling water.
Knead the dough for ten minutes and let it rise.
Roast the vegetables until they are golden.
This soup needs more garlic and pepper.
Whisk the eggs with sugar until they are foamy.
The parcel arrived two weeks late.
My order has still not been delivered.
The package came two weeks late.
The box was damaged and a part is missing.
I would like my money back, please.
The striker scored twice in the second half.
Our team lost the final on penalties.
The goalkeeper saved the match in the last minute.
She won the marathon by four seconds.
The program crashes when I open a large file.
After the update the app no longer starts.
Our cat sleeps on the keyboard all day.
The puppy chewed my favourite shoes.
Two kittens were playing with a ball of wool.`;
