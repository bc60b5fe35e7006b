/*
 * scale.h - the scale by which numbers become integers.
 */
#ifndef CONVERTER_SCALE_H
#define CONVERTER_SCALE_H

#include <math.h>
#include <stddef.h>

/* The scale by which the largest of n numbers, `stride` apart, becomes the integer `most`. */
static inline float scale_find(const float *values, size_t n, size_t stride, int most)
{
    float largest = 0;
    for (size_t i = 0; i < n; i++)
        largest = fmaxf(largest, fabsf(values[i * stride]));
    float scale = largest / (float)most;
    return scale >= 1e-30f ? scale : 1; /* nothing but zeros, or too small to divide by */
}

#endif
