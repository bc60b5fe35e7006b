/** Where the command line finds the metrics. */
export * from './metrics/index.js';
