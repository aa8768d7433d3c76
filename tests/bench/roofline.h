/* roofline.h -- what this machine can do at most: loops that are kernels, so that they run on the pool as programs do. */
#ifndef LATHE_ROOFLINE_H
#define LATHE_ROOFLINE_H

#include "runtime/pool.h"

/* PEAK(name, unit, amount): what one group does, in operations (a fused multiply-add is two) or in bytes.
 *   fma   f32 from registers alone        int8  u8 x s8 dot products of four
 *   bf16  dot products of two             read  from memory, in one stream a thread
 *   copy  from memory to memory: bytes read plus bytes written */
#define PEAKS(P) P(fma, "GFLOP/s") P(bf16, "GFLOP/s") P(int8, "GOP/s") P(read, "GB/s") P(copy, "GB/s")

typedef enum Peak {
#define PEAK(name, unit) PEAK_##name,
  PEAKS(PEAK)
#undef PEAK
  PEAK_count
} Peak;

const char *peak_name(Peak p);
const char *peak_unit(Peak p);
/* Does this machine have the instruction. */
bool peak_here(Peak p);

/* Memory of at least four times the last cache, filled with what no cache can guess, in huge pages where the system
 * gives them; the programs' weights and inputs lie in such memory, too. */
size_t roofline_bytes(void);
void *roofline_memory(size_t bytes);
void roofline_release(void *p, size_t bytes);

typedef struct Roofline {
  Peak peak;
  lrt_pool *pool;
  char *memory; /* of roofline_bytes(); read and copy alone */
} Roofline;

/* Operations or bytes of one run, and the run: some hundred microseconds to some milliseconds of one thread. */
double roofline_amount(const Roofline *r);
void roofline_run(const Roofline *r);

#endif
