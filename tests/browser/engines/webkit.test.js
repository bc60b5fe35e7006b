/** The package in WebKitGTK as it is: suite.js says what is tried. */

import { testEngine } from './suite.js';

testEngine('webkit');
