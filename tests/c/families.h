/*
 * families.h - tiny configs: each thing that a family has of its own, then families.
 */
#ifndef FAMILIES_H
#define FAMILIES_H

#include "bert.h"

typedef struct tiny_family {
    const char *name;
    bert_config (*config)(void);
} tiny_family;

extern const tiny_family families[];
extern const size_t n_families;

#define FOR_EACH_FAMILY(member)                                                                    \
    for (const tiny_family *member = families; member < families + n_families; member++)

/* The config of the family called `name`, which there is. */
bert_config family_config(const char *name);

/* Give a config what attention knows of distances, and a convolution. */
void relate(bert_config *config, bert_position_attention attention, uint32_t n_distances,
            uint32_t n_rows);
void convolve(bert_config *config, uint32_t size);

#endif
