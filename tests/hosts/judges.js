/** What is tried in every host, in this order, and what it must give. */

import {
    judgeAbort,
    judgeAnswer,
    judgeBatch,
    judgeDispose,
    judgeLoad,
} from '../browser/engines/judge.js';

/** By the check's name. @type {{[check: string]: (result: any, context: any) => string | void}} */
export const JUDGES = {
    load: judgeLoad,
    answer: judgeAnswer,
    batch: judgeBatch,
    abort: judgeAbort,
    dispose: judgeDispose,
};
