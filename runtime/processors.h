/* processors.h -- how many processors a process should use, of those that it may. */
#ifndef LRT_PROCESSORS_H
#define LRT_PROCESSORS_H

#include <stdint.h>

/* No more than its group has time for, and no small ones beside large ones, for which all would wait. */
int64_t processors_worth(int64_t allowed);

#endif
