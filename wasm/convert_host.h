/*
 * convert_host.h - what the converter as WebAssembly asks of the JavaScript around it:
 * js/convert/converter.js. Paths and sentences are terminated texts; sizes and offsets are doubles,
 * which JavaScript has, and whole.
 */
#ifndef WASM_CONVERT_HOST_H
#define WASM_CONVERT_HOST_H

#include <stdint.h>

#define HOST(name) __attribute__((import_module("host"), import_name(#name)))

/* The handle of the file at a path, from 0; or one of these. */
enum { HOST_NOTHING = -1, HOST_FOLDER = -2 };
int32_t host_find(const char *path) HOST(find);

/* Bytes that a file has. */
double host_size(int32_t handle) HOST(size);

/* Bytes offset .. offset + n_bytes - 1, which the file has. 0: they are not at hand, as the host
 * had not been told that they would be needed. */
int32_t host_read(int32_t handle, double offset, uint32_t n_bytes, void *into) HOST(read);

/* Bytes of the model file. */
void host_write(double offset, const void *data, uint32_t n_bytes) HOST(write);

/* SHA-256 where the host has it: a new hash, or HOST_NOTHING; bytes of it; its end, of 32 bytes. */
int32_t host_hash_begin(void) HOST(hash_begin);
void host_hash_add(int32_t hash, const void *data, uint32_t n_bytes) HOST(hash_add);
void host_hash_end(int32_t hash, uint8_t digest[32]) HOST(hash_end);

/* A sentence about something that was settled, and how. */
void host_note(const char *sentence) HOST(note);

#endif
