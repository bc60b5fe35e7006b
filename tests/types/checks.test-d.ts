/** The checks themselves find what they are for. */

import { hasNoAny, is } from './checks.js';

declare const anything: any;
declare const inside: { name: string; value: any };

is<string>()('a' as string);
hasNoAny({ name: 'a', list: [1], f: () => 5 });
// @ts-expect-error
is<string>()(anything);
// @ts-expect-error
is<string | number>()('a' as string);
// @ts-expect-error
is<string>()('a' as string | undefined);
// @ts-expect-error
hasNoAny(anything);
// @ts-expect-error
hasNoAny(inside);
// @ts-expect-error
hasNoAny([inside]);
// @ts-expect-error
hasNoAny([anything]);
// @ts-expect-error
hasNoAny(() => anything);
