/* peer.c -- another engine, in a process of its own that does a slice of work when told.
 *
 * It gets a number of runs on a line and answers with the seconds they took; between slices it waits for the next line, so
 * that nobody measures beside it. */
#define _GNU_SOURCE
#include "peer.h"

#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ir/fatal.h"

struct Peer {
  pid_t pid;
  FILE *to, *from;
  char about[512];
};

static char **command(Arena *a, const char *const *word, int64_t threads) {
  const char *python = getenv("LATHE_BENCH_PYTHON");
  VEC(char *) argv = {0};
  vec_push(a, &argv, (char *)(uintptr_t)(python ? python : "python3"));
  vec_push(a, &argv, arena_printf(a, "tests/bench/peer_%s.py", *word++));
  vec_push(a, &argv, arena_printf(a, "--threads=%lld", (long long)threads));
  for (; *word; word++) vec_push(a, &argv, (char *)(uintptr_t)*word);
  vec_push(a, &argv, NULL);
  return argv.at;
}

static bool start(Peer *p, char **argv) {
  extern char **environ;
  int to[2], from[2];
  if (pipe2(to, O_CLOEXEC) != 0 || pipe2(from, O_CLOEXEC) != 0) fatal_resource("no pipe to a peer");
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, to[0], STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, from[1], STDOUT_FILENO);
  bool good = posix_spawnp(&p->pid, argv[0], &actions, NULL, argv, environ) == 0;
  posix_spawn_file_actions_destroy(&actions);
  close(to[0]), close(from[1]);
  p->to = fdopen(to[1], "w");
  p->from = fdopen(from[0], "r");
  return good;
}

Peer *peer_open(Arena *a, const char *const *word, int64_t threads) {
  Peer *p = ARENA_NEW(a, Peer);
  signal(SIGPIPE, SIG_IGN);
  if (!start(p, command(a, word, threads))) return fprintf(stderr, "bench: no Python for the peer\n"), NULL;
  if (!fgets(p->about, sizeof p->about, p->from)) return peer_close(p), NULL;
  p->about[strcspn(p->about, "\n")] = 0;
  return p;
}

const char *peer_about(const Peer *p) { return p->about; }

double peer_run(void *peer, int64_t times) {
  Peer *p = peer;
  char answer[64];
  fprintf(p->to, "%lld\n", (long long)times);
  return fflush(p->to) == 0 && fgets(answer, sizeof answer, p->from) ? atof(answer) : NAN;
}

void peer_close(Peer *p) {
  if (!p) return;
  fclose(p->to), fclose(p->from);
  waitpid(p->pid, NULL, 0);
}
