/* verify.h -- checks everything that a module must keep: each message names the node and both offending things. */
#ifndef LATHE_VERIFY_H
#define LATHE_VERIFY_H

#include "ir/ir.h"

bool verify_module(Module *m);

#endif
