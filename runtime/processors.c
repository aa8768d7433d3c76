/* processors.c -- how many processors a process should use, of those that it may. */
#include "runtime/processors.h"

#include "runtime/os.h"
#include "runtime/words.h"

static bool read_text(const char *path, char *text, size_t size) {
  int64_t file = os_open(path);
  if (file < 0) return false;
  int64_t n = os_read(file, text, size - 1);
  os_close(file);
  text[n > 0 ? n : 0] = 0;
  return n > 0;
}

/* "200000 100000" is two processors' time; "max 100000" is all. */
static int64_t quota(const char *folder) {
  char path[600], text[64];
  int64_t share, period;
  text_format(path, sizeof path, "/sys/fs/cgroup%s/cpu.max", folder);
  if (!read_text(path, text, sizeof text)) return INT64_MAX;
  const char *at = text_number(text, &share);
  if (!at || *at != ' ' || !text_number(at + 1, &period) || period <= 0) return INT64_MAX;
  return share < period ? 1 : share / period;
}

/* The group is the part behind "0::". */
static int64_t quota_of_group(void) {
  char text[512];
  if (!read_text("/proc/self/cgroup", text, sizeof text)) return INT64_MAX;
  char *at = text;
  while (*at && !(at[0] == '0' && at[1] == ':' && at[2] == ':')) at++;
  if (!*at) return INT64_MAX;
  at += 3;
  for (char *end = at; *end; end++)
    if (*end == '\n') *end = 0;
  int64_t own = quota(at), root = quota("");
  return own < root ? own : root;
}

/* Of processors of several sizes, those of the largest: an ARM system tells how large each is. */
static int64_t largest(void) {
  char path[64], text[32];
  int64_t n = 0, most = 0, capacity;
  for (int64_t i = 0;; i++) {
    text_format(path, sizeof path, "/sys/devices/system/cpu/cpu%d/cpu_capacity", i);
    if (!read_text(path, text, sizeof text) || !text_number(text, &capacity)) return n ? n : INT64_MAX;
    if (capacity > most) most = capacity, n = 0;
    n += capacity == most;
  }
}

/* An x86 system lists those that are not the small ones: "0-7,16". */
static int64_t listed(void) {
  char text[512];
  int64_t n = 0, from, to;
  if (!read_text("/sys/devices/cpu_core/cpus", text, sizeof text)) return INT64_MAX;
  for (const char *at = text; at && (at = text_number(at, &from)); at = *at == ',' ? at + 1 : NULL) {
    to = from;
    if (*at == '-') at = text_number(at + 1, &to);
    if (!at || to < from) return INT64_MAX;
    n += to - from + 1;
  }
  return n ? n : INT64_MAX;
}

int64_t processors_worth(int64_t allowed) {
  const int64_t limit[] = {quota_of_group(), largest(), listed()};
  for (int i = 0; i < 3; i++)
    if (limit[i] < allowed) allowed = limit[i];
  return allowed;
}
