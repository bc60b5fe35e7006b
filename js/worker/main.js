/** What runs in a worker: worker.js of the package. */

import { parentPort } from '#platform';

import { answer } from './worker.js';

parentPort().then((port) => answer(port));
