/** The package in Firefox: suite.js says what is tried. */

import { testEngine } from './suite.js';

testEngine('firefox');
