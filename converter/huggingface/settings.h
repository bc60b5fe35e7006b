/*
 * settings.h - a config.json, key by key: each has a default, and a value of the wrong kind is a
 * fault.
 */
#ifndef CONVERTER_SETTINGS_H
#define CONVERTER_SETTINGS_H

#include <cjson/cJSON.h>

#include "files/fault.h"

/* After a fault, every answer is the default; fault->text says what was wrong first. */
typedef struct settings {
    const char *path; /* for messages */
    const cJSON *json;
    fault_text *fault;
} settings;

/* The value of a key; NULL if it is not there, or null. */
const cJSON *settings_item(const settings *from, const char *key);

/* A whole number of 0 .. 2^31 - 1. */
uint32_t settings_size(const settings *from, const char *key, uint32_t fallback);
double settings_number(const settings *from, const char *key, double fallback);
bool settings_flag(const settings *from, const char *key, bool fallback);
const char *settings_text(const settings *from, const char *key, const char *fallback);

/* An activation by transformers' name of it. */
bert_activation settings_activation(const settings *from, const char *key, const char *fallback);

/* Sets a fault that names a key and its value: "PATH: KEY is VALUE: " and what to do. */
bool settings_refuse(const settings *from, const char *key, const char *because);

#endif
