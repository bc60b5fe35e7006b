/** Checks in a place that has no workers and imports nothing at run time. */

import * as library from '/bert-wasm/in-thread.js';
import { serveChecks } from './serve_checks.js';

serveChecks(library);
