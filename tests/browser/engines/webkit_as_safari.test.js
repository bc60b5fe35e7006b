/** The package in WebKitGTK with what Safari has: suite.js says what is tried. */

import { testEngine } from './suite.js';

testEngine('webkit-as-safari');
