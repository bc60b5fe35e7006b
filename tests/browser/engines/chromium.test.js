/** The package in Chromium: suite.js says what is tried. */

import { testEngine } from './suite.js';

testEngine('chromium');
