/*
 * maths.h - functions whose every bit is the same wherever the converter runs.
 *
 * C libraries differ in the last bits of such functions, and what is computed with
 * them stands in model files. These are made of the operations that IEEE 754 defines to the bit,
 * and within 32 units of the 53rd bit: rounded to float they are nearly always the nearest;
 * of angles beyond a million less is left.
 */
#ifndef CONVERTER_MATHS_H
#define CONVERTER_MATHS_H

double maths_exp(double x);
double maths_log(double x);
double maths_log1p(double x); /* x >= 0 */
double maths_tanh(double x);
double maths_erf(double x);
double maths_sin(double x);
double maths_cos(double x);

/* As pow() of the C standard, signs, zeros, infinities and NaN included. */
double maths_pow(double x, double y);

#endif
