/* runtime_object.h -- the runtime, compiled when Lathe was built, as it is linked into programs. */
#ifndef LATHE_RUNTIME_OBJECT_H
#define LATHE_RUNTIME_OBJECT_H

#include <stddef.h>

const void *runtime_object(void);
size_t runtime_object_size(void);

#endif
