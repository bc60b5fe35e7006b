/** What `make test` runs of the apps: suite.js says what is tried. */

import { testApps } from './suite.js';

testApps(({ is_slow }) => !is_slow);
