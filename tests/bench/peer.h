/* peer.h -- another engine, in a process of its own that does a slice of work when told. */
#ifndef LATHE_PEER_H
#define LATHE_PEER_H

#include <stdint.h>

#include "ir/arena.h"

typedef struct Peer Peer;

/* Starts tests/bench/peer_<the first word>.py with the other words and so many threads; NULL: it cannot do it, and why was said
 * on stderr. */
Peer *peer_open(Arena *a, const char *const *word, int64_t threads);
/* What it is: a JSON object with its name, version and flags. */
const char *peer_about(const Peer *p);
/* Does it so many times; returns the seconds that this took by the peer's own clock, or NAN if it is gone. */
double peer_run(void *peer, int64_t times);
void peer_close(Peer *p);

#endif
