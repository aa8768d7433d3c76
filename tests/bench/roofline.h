/* roofline.h -- what this machine can do at most, and how a kernel compares, measured in the same minute. */
#ifndef LATHE_ROOFLINE_H
#define LATHE_ROOFLINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One slice of work of some milliseconds; returns how much was done a second. */
typedef double Slice(void *ctx);

typedef struct Ratio {
  double median, p10, p90; /* of kernel over roofline, pair by pair */
  double roof;             /* the roofline's own rate, the median */
} Ratio;

enum { ROOFLINE_PAIRS = 100 };

/* Runs kernel and roofline in turn, ROOFLINE_PAIRS times. */
Ratio roofline_compare(Slice *kernel, void *kernel_ctx, Slice *roof, void *roof_ctx);

/* Seconds of this thread's own time: a slice that is interrupted is not longer for it. */
double roofline_now(void);

/* Bytes of the last cache, and memory of at least 4 times as many, filled with what no cache can guess, in huge pages. */
int64_t roofline_last_cache(void);
void *roofline_memory(size_t bytes);
void roofline_release(void *p, size_t bytes);

/* Can this machine run the loops below (AVX-512). */
bool roofline_here(void);
/* Operations a second, two a fused multiply-add, from registers alone. ctx: unused. */
double roofline_fma(void *ctx);
/* Bytes a second read from memory, in one stream. */
typedef struct Span {
  const void *at;
  size_t bytes;
} Span;
double roofline_read(void *span);

#endif
