/* out_file.c -- files that are whole or not there: written aside, and renamed when they are done. */
#define _GNU_SOURCE
#include "ir/out_file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ir/fatal.h"

enum { PLAIN = 0666 };

static _Noreturn void cannot(const OutFile *o) { fatal_resource("%s: cannot write: %s", o->path, strerror(errno)); }

/* A file without a name vanishes with its process; not every file system has such. */
OutFile out_open(Arena *a, const char *path, unsigned mode) {
  OutFile o = {.path = path, .aside = arena_printf(a, "%s.part", path)};
  struct stat s;
  if (stat(path, &s) == 0 && !S_ISREG(s.st_mode)) fatal_resource("%s: cannot write: there is something that is no regular file", path);
  unlink(o.aside); /* of a process that was killed */
  o.fd = open(dirname(arena_printf(a, "%s", path)), O_TMPFILE | O_RDWR | O_CLOEXEC, mode);
  if (o.fd < 0) {
    o.fd = open(o.aside, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, mode);
    o.named = true;
    if (o.fd >= 0) fatal_remove_file(o.aside);
  }
  if (o.fd < 0) cannot(&o);
  return o;
}

void out_write(const OutFile *o, const void *bytes, size_t size) {
  for (size_t done = 0; done < size;) {
    ssize_t n = write(o->fd, (const char *)bytes + done, size - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) cannot(o);
    done += (size_t)n;
  }
}

void out_write_at(const OutFile *o, uint64_t at, const void *bytes, size_t size) {
  for (size_t done = 0; done < size;) {
    ssize_t n = pwrite(o->fd, (const char *)bytes + done, size - done, (off_t)(at + done));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) cannot(o);
    done += (size_t)n;
  }
}

void out_seek(const OutFile *o, uint64_t to) {
  if (ftruncate(o->fd, (off_t)to) != 0 || lseek(o->fd, (off_t)to, SEEK_SET) < 0) cannot(o);
}

FILE *out_stream(OutFile *o) {
  if (!o->stream) o->stream = fdopen(o->fd, "w");
  if (!o->stream) cannot(o);
  return o->stream;
}

void out_sync(const OutFile *o) {
  if (fsync(o->fd) != 0) cannot(o);
}

static void give_name(OutFile *o) {
  char fd_path[64];
  snprintf(fd_path, sizeof fd_path, "/proc/self/fd/%d", o->fd);
  if (linkat(AT_FDCWD, fd_path, AT_FDCWD, o->aside, AT_SYMLINK_FOLLOW) != 0) cannot(o);
  o->named = true;
  fatal_remove_file(o->aside);
}

static int close_fd(OutFile *o) { return o->stream ? fclose(o->stream) : close(o->fd); }

void out_close(OutFile *o) {
  if (o->stream && (fflush(o->stream) != 0 || ferror(o->stream))) cannot(o);
  if (!o->named) give_name(o);
  if (close_fd(o) != 0 || rename(o->aside, o->path) != 0) cannot(o);
  fatal_keep_file(o->aside);
}

void out_discard(OutFile *o) {
  close_fd(o);
  if (!o->named) return;
  unlink(o->aside);
  fatal_keep_file(o->aside);
}

void out_folder(const char *path) {
  if (mkdir(path, 0777) != 0 && errno != EEXIST) fatal_resource("%s: cannot make the folder: %s", path, strerror(errno));
}

void out_write_file(const char *path, const void *bytes, size_t size) {
  Arena *a = arena_new();
  OutFile o = out_open(a, path, PLAIN);
  out_write(&o, bytes, size);
  out_close(&o);
  arena_free(a);
}
