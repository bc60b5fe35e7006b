/** What runs in the worker of a conversion: convert-worker.js of the package. */

import { parentPort } from '#platform';

import { answer } from './port.js';

parentPort().then((port) => answer(port));
