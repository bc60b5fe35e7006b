/** What the core calls that options have names for. */

import {
    BERT_LORA_ATTENTION_OUTPUT,
    BERT_LORA_INTERMEDIATE,
    BERT_LORA_KEY,
    BERT_LORA_OUTPUT,
    BERT_LORA_QUERY,
    BERT_LORA_VALUE,
    BERT_SCHEDULE_CONSTANT,
    BERT_SCHEDULE_COSINE,
    BERT_SCHEDULE_LINEAR,
} from '#core';

/** @type {Record<import('./options.js').ScheduleKind, number>} */
export const SCHEDULES = {
    linear: BERT_SCHEDULE_LINEAR,
    cosine: BERT_SCHEDULE_COSINE,
    constant: BERT_SCHEDULE_CONSTANT,
};

/** Bits. @type {Record<import('./options.js').LoraTarget, number>} */
export const LORA_TARGETS = {
    query: BERT_LORA_QUERY,
    key: BERT_LORA_KEY,
    value: BERT_LORA_VALUE,
    attention_output: BERT_LORA_ATTENTION_OUTPUT,
    intermediate: BERT_LORA_INTERMEDIATE,
    output: BERT_LORA_OUTPUT,
};
