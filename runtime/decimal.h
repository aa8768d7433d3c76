/* decimal.h -- floats as decimal digits, exactly, and back to the nearest float. */
#ifndef LRT_DECIMAL_H
#define LRT_DECIMAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* 0.d1 d2 d3 ... times 10^point. A double has at most 767 digits; what is beyond the last one here is only known not to be 0. */
enum { DECIMAL_DIGITS = 800 };

typedef struct Decimal {
  int n, point;
  bool more;
  uint8_t digit[DECIMAL_DIGITS + 24];
} Decimal;

void decimal_of(Decimal *d, double v);               /* of a finite number's magnitude */
double decimal_double(const Decimal *d);             /* ties to even; or infinity */
void decimal_round(Decimal *d, int n);               /* to the first n digits, ties to even; n may be 0 or negative */
void decimal_shortest(Decimal *d, double v);         /* the fewest digits that give v > 0 back, and of those the nearest */

/* A number as JSON and Python write it: digits, a point, an exponent. Returns its length, or 0. */
size_t decimal_read(const char *text, size_t n, double *out);

#endif
