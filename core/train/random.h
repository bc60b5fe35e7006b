/*
 * random.h - random numbers by their place: no state, so that threads and layers that are computed
 * again draw the same ones in any order, and nothing is to be stored.
 */
#ifndef BERT_RANDOM_H
#define BERT_RANDOM_H

#include <stdint.h>

#include "simd.h"

/* Numbers that are drawn together. */
#define RANDOM_LOT 16

/* What numbers are for: all of it is their place. */
typedef struct random_place {
    uint32_t seed, pass; /* the key */
    uint32_t row, site, step;
} random_place;

/*
 * Numbers RANDOM_LOT * lot .. of the row, 32 bits each. Philox4x32-10 (Salmon et al. 2011,
 * "Parallel random numbers: as easy as 1, 2, 3", section 3.3) of the counters (4 lot + i, row,
 * site, step), i 0 .. 3, under the key (seed, pass): lane i of words[j] is word j of the i-th.
 */
void random_lot(const random_place *place, uint32_t lot, v128_t words[4]);

#endif
