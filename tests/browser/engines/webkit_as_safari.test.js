/**
 * The package in WebKitGTK with what Safari has: suite.js says what is tried. On a page that is not
 * isolated this is WebKitGTK as it is.
 */

import { testEngine } from './suite.js';

testEngine('webkit-as-safari', ['isolated']);
