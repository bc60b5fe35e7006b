/** The apps that `make test` has no time for: suite.js says what is tried. */

import { testApps } from './suite.js';

testApps(({ is_slow }) => is_slow === true);
