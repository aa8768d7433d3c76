/* caches.h -- which function keeps its caches in which type, after the pass `caches`. */
#ifndef LATHE_CACHES_H
#define LATHE_CACHES_H

#include "ir/ir.h"

/* The type of the keys that f's caches hold; DT_none where it has none. A cache is a state of keys and values, as rows of several. */
Dtype caches_type(const Func *f);
/* f itself where its caches are of type t, its copy that has such, or NULL. */
Func *caches_func(Func *f, Dtype t);

#endif
