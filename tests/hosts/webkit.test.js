/** The package in the places that WebKitGTK has: place_suite.js says what is tried. */

import { testPlaces } from './place_suite.js';

testPlaces('webkit');
