/** What runs in the worker of a training: train-worker.js of the package. */

import { parentPort } from '#platform';

import { answer } from './worker.js';

parentPort().then((port) => answer(port));
