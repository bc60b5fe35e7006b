/** Checks in a place that has workers, or imports what it needs instead. */

import * as library from '/bert-wasm/index.js';
import { serveChecks } from './serve_checks.js';

serveChecks(library);
