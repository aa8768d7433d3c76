/* levels.h -- which function stands for another on a level of processors, after the pass `levels`. */
#ifndef LATHE_LEVELS_H
#define LATHE_LEVELS_H

#include "ir/ir.h"

/* f itself where it is made for t, its copy, or NULL. */
Func *level_func(Func *f, const Target *t);

#endif
