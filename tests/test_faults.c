/* test_faults.c -- makes each allocation, write, rename and map of a command fail once, and looks how it ends.
 *
 *     test_faults memory | calls | killed
 *
 * A command runs as it does, in a fork of this process, and then again and again; each time one thing more works before
 * one fails, until none is left to fail. It must end with status 74, one message, and no file that it does not leave
 * when all goes well; or work all the same. Where it is killed instead, the next run must clear up behind it. */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fault_calls.h"
#include "fault_memory.h"
#include "ir/arena.h"
#include "ir/fatal.h"

int lathe_main(int argc, char **argv); /* frontend/lathe.c's main() */

enum { MAX_ARGS = 12, MEMORY = 1, CALLS = 2, KILLED = 4 };

/* Commands write into the folder `out`. A first word with a slash is a program. */
typedef struct Row {
  int what; /* may fail */
  const char *arg[MAX_ARGS];
} Row;

#define IDS "input_ids=model/input_ids.npy"
static const Row rows[] = {
    {MEMORY | CALLS | KILLED, {"lathe", "build", "tiny.ir", "-o", "out/tiny", "--cpu", "x86-64-v3"}},
    {MEMORY | CALLS, {"lathe", "build", "tiny.ir", "-o", "out/tiny.ll", "--cpu", "x86-64-v3", "--emit", "llvm"}},
    {CALLS, {"lathe", "build", "tiny.ir", "-o", "out/tiny.o", "--cpu", "x86-64-v3", "--emit", "obj", "-q"}},
    {MEMORY | CALLS | KILLED, {"lathe", "build", "tiny.ir", "-o", "out/apart", "--cpu", "x86-64-v3", "--weights", "separate", "-q"}},
    {MEMORY | CALLS | KILLED, {"lathe", "build", "tiny.ir", "-o", "out/library", "--cpu", "x86-64-v3", "--emit", "lib", "-q"}},
    {MEMORY | CALLS, {"lathe", "build", "tiny.ir", "-o", "out/debug", "--cpu", "x86-64-v3", "-g", "-q"}},
    {MEMORY, {"lathe", "verify", "tiny.ir", "--random", "1", "--cpu", "x86-64-v3"}},
    {CALLS, {"lathe", "build", "tiny.ir", "-o", "out/lowered.ir", "--emit", "ir", "-q"}},
    {MEMORY | CALLS | KILLED, {"lathe", "ir", "model/decoder.onnx", "--pipeline", "default", "--dump-dir", "out/dump"}},
    {MEMORY | CALLS | KILLED, {"lathe", "eval", "model/decoder.onnx", "--in", IDS, "--out-dir", "out/results"}},
    {MEMORY | CALLS, {"lathe", "eval", "model/decoder.onnx", "--random", "1"}},
    {MEMORY | CALLS, {"lathe", "inspect", "model/decoder.onnx", "--json"}},
    {MEMORY | CALLS, {"lathe", "docs", "out"}},
    {CALLS | KILLED, {"lathe", "build", "tiny.ir", "-o", "tiny", "--cpu", "x86-64-v3", "-q"}}, /* for the next */
    {CALLS | KILLED, {"./tiny", "--random", "1", "--out-dir", "out/results", "-t", "2"}},
    {CALLS, {"./tiny", "--random", "1", "-t", "2"}},
    {CALLS, {"./tiny", "--in", "x=x.npy"}},
    {CALLS, {"./tiny", "--check"}},
};
enum { N_ROWS = sizeof rows / sizeof *rows };

/* A weight from a file, one that is computed, and code. */
static const char tiny[] =
    "lathe 1\n"
    "file @weights \"weights.bin\" 256\n"
    "const @main.w : f32[8,8] = file @weights 0\n"
    "func @main(%x: f32[8,8]) -> (y: f32[8,8]) {\n"
    "  %w = const @main.w : f32[8,8]\n"
    "  %p = matmul %x, %w : f32[8,8]\n"
    "  %y = tanh %p : f32[8,8]\n"
    "  return %y\n"
    "}\n";

static int bad;

static void fail(const Row *r, long nth, const char *call, const char *why, const char *what) {
  fprintf(stderr, "FAIL");
  for (int i = 0; r->arg[i]; i++) fprintf(stderr, " %s", r->arg[i]);
  fprintf(stderr, ": where %s %ld fails: %s%s\n", call ? call : "allocation", nth, why, what);
  if (++bad == 20) exit(1);
}

/* ---- files ---- */

static char *read_file(const char *path, size_t *size) {
  char *bytes = calloc(1, 1);
  FILE *f = fopen(path, "rb");
  *size = 0;
  for (size_t n = 1; f && n > 0;) {
    ensure(bytes = realloc(bytes, *size + 65537));
    n = fread(bytes + *size, 1, 65536, f);
    *size += n;
  }
  if (f) fclose(f);
  bytes[*size] = 0;
  return bytes;
}

static bool same_files(const char *one, const char *other) {
  size_t n, k;
  char *a = read_file(one, &n), *b = read_file(other, &k);
  bool same = n == k && memcmp(a, b, n) == 0;
  free(a), free(b);
  return same;
}

/* Is each file below a folder the same as the one of that name below another? The first that is not is in `which`. */
static bool all_in(const char *folder, const char *in, char *which, size_t size) {
  DIR *d = opendir(folder);
  bool good = true;
  for (struct dirent *e; d && good && (e = readdir(d));) {
    char one[512], other[512];
    struct stat s;
    if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
    snprintf(one, sizeof one, "%s/%s", folder, e->d_name);
    snprintf(other, sizeof other, "%s/%s", in, e->d_name);
    if (stat(one, &s) == 0 && S_ISDIR(s.st_mode)) good = all_in(one, other, which, size);
    else if (!(good = access(other, F_OK) == 0 && same_files(one, other))) snprintf(which, size, "%s", one);
  }
  if (d) closedir(d);
  return good;
}

static void remove_all(const char *folder) {
  char command[512];
  snprintf(command, sizeof command, "rm -rf %s", folder);
  if (system(command) != 0) exit(1);
}

/* ---- runs ---- */

static bool *hit; /* shared with the child */

/* Leaves as exit() does, but for LeakSanitizer, which cannot work under a debugger. */
static _Noreturn void run_child(const Row *r, int what, long nth) {
  int n = 0, out = open("stdout", O_CREAT | O_TRUNC | O_WRONLY, 0666), err = open("stderr", O_CREAT | O_TRUNC | O_WRONLY, 0666);
  dup2(out, STDOUT_FILENO), dup2(err, STDERR_FILENO);
  close(out), close(err);
  while (r->arg[n]) n++;
  char **argv = (char **)(uintptr_t)r->arg;
  if (what == CALLS || what == KILLED) fault_calls_begin();
  if (strchr(r->arg[0], '/')) execv(r->arg[0], argv), _exit(127);
  if (what == MEMORY) fault_memory_at(nth, hit);
  int status = lathe_main(n, argv);
  fault_memory_at(0, NULL);
  fflush(NULL);
  _exit(status);
}

/* The status; `call` is what was made to fail, or NULL where there was nothing left to. */
static int run(const Row *r, int what, long nth, const char **call) {
  int status;
  *hit = false;
  *call = NULL;
  fflush(NULL);
  pid_t child = fork();
  ensure(child >= 0);
  if (child == 0) run_child(r, what, nth);
  FaultWhat fault = what == KILLED ? FAULT_KILL : r->arg[0][0] == '.' ? FAULT_MEMORY : FAULT_FILES;
  if (what == CALLS || what == KILLED) *call = fault_calls(child, nth, fault, &status);
  else ensure(waitpid(child, &status, 0) == child);
  if (what == MEMORY && *hit) *call = "allocation";
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* "lathe: ...", "./tiny: ...", or an error with its place in the model; and hints. */
static bool is_clean(const Row *r, const char *said) {
  size_t name = strlen(r->arg[0]);
  const char *end = strchr(said, '\n');
  bool ours = strncmp(said, r->arg[0], name) == 0 && strncmp(said + name, ": ", 2) == 0;
  if (!end || !(ours || strstr(said, "error: "))) return false;
  while (strncmp(++end, "  hint: ", 8) == 0 && strchr(end, '\n')) end = strchr(end, '\n');
  return !*end;
}

static void check(const Row *r, long nth, const char *call, int status) {
  char which[512], number[16];
  size_t size;
  snprintf(number, sizeof number, "%d", status);
  char *said = read_file("stderr", &size);
  if (status != EXIT_OK && status != EXIT_RESOURCE) fail(r, nth, call, "status ", number), fail(r, nth, call, "it says ", said);
  else if (status != EXIT_OK && !is_clean(r, said)) fail(r, nth, call, "the message is not clean: ", said);
  else if (status == EXIT_OK && !same_files("stdout", "good.stdout")) fail(r, nth, call, "standard output differs", "");
  else if (status == EXIT_OK && !all_in("good", "out", which, sizeof which)) fail(r, nth, call, "not there, or another: ", which);
  if (!all_in("out", "good", which, sizeof which)) fail(r, nth, call, "left behind: ", which);
  free(said);
}

static void empty_folder(void) {
  remove_all("out");
  if (mkdir("out", 0777) != 0) exit(1);
}

/* What the command does when nothing fails. */
static bool reference(const Row *r) {
  const char *call;
  size_t size;
  remove_all("good");
  empty_folder();
  int status = run(r, 0, 0, &call);
  char *said = read_file("stderr", &size);
  if (status != 0) fail(r, 0, "nothing", "it says ", said);
  free(said);
  return status == 0 && rename("out", "good") == 0 && rename("stdout", "good.stdout") == 0;
}

static void try_row(const Row *r, int what) {
  const char *call = "";
  long n = 0, refused = 0;
  if (!reference(r)) return;
  for (long nth = 1; call; nth++) {
    empty_folder();
    int status = run(r, what, nth, &call);
    check(r, nth, call, status);
    n += call != NULL, refused += status == EXIT_RESOURCE;
  }
  printf("%s %-14s %5ld %s failed, each alone: %ld were said, %ld did not matter\n", r->arg[0], r->arg[1], n,
         what == MEMORY ? "allocations" : "system calls", refused, n - refused);
  if (refused == 0) fail(r, n, "each of them up to", "nothing was ever refused", "");
}

/* What has its name is whole, and another run leaves what it leaves where none was killed before. */
static void try_killed(const Row *r) {
  const char *call = "", *none;
  char which[512];
  long n = 0;
  if (!reference(r)) return;
  for (long nth = 1; call; nth++) {
    empty_folder();
    int status = run(r, KILLED, nth, &call);
    if (!call) break;
    n++;
    if (status != 128 + SIGKILL) fail(r, nth, call, "it was not killed", "");
    if (!all_in("out", "good", which, sizeof which) && !strstr(which, ".part")) fail(r, nth, call, "left behind: ", which);
    check(r, nth, "nothing, after", run(r, 0, 0, &none));
  }
  printf("%s %-14s killed at %ld system calls, each alone: the next run clears up\n", r->arg[0], r->arg[1], n);
  if (n == 0) fail(r, n, "each of them up to", "it was never killed", "");
}

/* ---- the folder ---- */

static void write_file(const char *name, const char *head, size_t size, int n_floats) {
  FILE *f = fopen(name, "w");
  ensure(f && fwrite(head, 1, size, f) == size);
  for (int i = 0; i < n_floats; i++) fwrite(&(float){(float)i / 64}, 1, sizeof(float), f);
  ensure(fclose(f) == 0);
}

static void set_up(const char *folder, const char *source) {
  char link[512], head[129];
  snprintf(link, sizeof link, "%s/examples/model", source);
  snprintf(head, sizeof head, "\x93NUMPY\x01%c\x76%c%-117s\n", 0, 0, "{'descr': '<f4', 'fortran_order': False, 'shape': (8, 8), }");
  if (chdir(folder) != 0 || symlink(link, "model") != 0) exit(1);
  write_file("tiny.ir", tiny, strlen(tiny), 0);
  write_file("weights.bin", "", 0, 64);
  write_file("x.npy", head, 128, 64);
}

int main(int argc, char **argv) {
  char folder[] = "/tmp/lathe-faults-XXXXXX", here[256];
  const char *word = argc > 1 ? argv[1] : "memory";
  int what = strcmp(word, "calls") == 0 ? CALLS : strcmp(word, "killed") == 0 ? KILLED : MEMORY;
  if (what != MEMORY && !fault_calls_possible()) return puts("skip: system calls cannot be made to fail here"), 77;
  ensure(getcwd(here, sizeof here) && mkdtemp(folder));
  set_up(folder, here);
  hit = mmap(NULL, sizeof *hit, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  ensure(hit != MAP_FAILED);
  for (int i = 0; i < N_ROWS; i++)
    if (!(rows[i].what & what)) continue;
    else if (what == KILLED) try_killed(&rows[i]);
    else try_row(&rows[i], what);
  if (chdir(here) == 0) remove_all(folder);
  return bad > 0;
}
