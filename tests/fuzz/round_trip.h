/* round_trip.h -- what every valid module must keep, whichever way it was made. */
#ifndef LATHE_ROUND_TRIP_H
#define LATHE_ROUND_TRIP_H

#include "ir/ir.h"

/* Prints the module, reads that, verifies it, and prints the same again; ends the process where it does not. */
void check_round_trip(Arena *a, const Module *m);

#endif
