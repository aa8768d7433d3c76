/* onnx_file.c -- the files that a model is made of: mapped, never read into memory. */
#define _GNU_SOURCE
#include "frontend/onnx_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ir/fatal.h"

/* Opening a FIFO for reading would wait for its writer. */
enum { OPEN_FLAGS = O_RDONLY | O_CLOEXEC | O_NONBLOCK };

static bool map_fd(Diag *d, Loc loc, const char *name, int fd, const struct stat *st, OnnxBytes *out) {
  if (!S_ISREG(st->st_mode)) return diag_error(d, loc, "`%s` is not a regular file", name);
  *out = (OnnxBytes){(const uint8_t *)"", st->st_size};
  if (st->st_size == 0) return true;
  void *map = mmap(NULL, (size_t)st->st_size, PROT_READ, MAP_PRIVATE, fd, 0);
  if (map == MAP_FAILED) fatal_resource("cannot map `%s`: %s", name, strerror(errno));
  out->at = map;
  return true;
}

bool onnx_map(Diag *d, Loc loc, const char *path, OnnxBytes *out) {
  struct stat st;
  int fd = open(path, OPEN_FLAGS);
  if (fd < 0) return diag_error(d, loc, "cannot open `%s`: %s", path, strerror(errno));
  bool ok = fstat(fd, &st) == 0 ? map_fd(d, loc, path, fd, &st, out)
                                : diag_error(d, loc, "cannot look at `%s`: %s", path, strerror(errno));
  close(fd);
  return ok;
}

void onnx_unmap(OnnxBytes b) {
  if (b.size) munmap((void *)(uintptr_t)b.at, (size_t)b.size);
}

/* ---- beneath a folder ---- */

/* Does a path have a component of this name? */
static bool has_component(const char *path, const char *name) {
  size_t n = strlen(name);
  for (const char *p = path; *p; p += strspn(p, "/")) {
    size_t len = strcspn(p, "/");
    if (len == n && strncmp(p, name, n) == 0) return true;
    p += len;
  }
  return false;
}

static bool is_link(int folder, const char *name) {
  struct stat st;
  int why = errno;
  bool link = fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode);
  errno = why;
  return link;
}

/* For kernels without openat2: each component is opened in turn and may not be a link. ".." has been refused. */
static int open_by_components(int folder, const char *location) {
  int at = dup(folder);
  for (const char *p = location; at >= 0;) {
    p += strspn(p, "/");
    char name[NAME_MAX + 1];
    size_t len = strcspn(p, "/");
    bool last = p[len + strspn(p + len, "/")] == '\0';
    if (len == 0 || len > NAME_MAX) break;
    memcpy(name, p, len);
    name[len] = '\0';
    int next = openat(at, name, OPEN_FLAGS | O_NOFOLLOW | (last ? 0 : O_DIRECTORY));
    int why = next < 0 && is_link(at, name) ? ELOOP : errno;
    close(at);
    errno = why;
    if (last || next < 0) return next;
    at = next;
    p += len;
  }
  if (at >= 0) close(at);
  errno = ENAMETOOLONG;
  return -1;
}

static int open_beneath(int folder, const char *location) {
  struct open_how how = {.flags = OPEN_FLAGS, .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};
  long fd = syscall(SYS_openat2, folder, location, &how, sizeof how);
  if (fd >= 0 || (errno != ENOSYS && errno != EPERM)) return (int)fd;
  return open_by_components(folder, location);
}

static bool map_confined(Diag *d, Loc loc, const char *location, int fd, OnnxBytes *out) {
  struct stat st;
  if (fstat(fd, &st) != 0) return diag_error(d, loc, "cannot look at `%s`: %s", location, strerror(errno));
  /* A second name could be of a file that its owner never meant to hand to whoever runs the model. */
  if (S_ISREG(st.st_mode) && st.st_nlink > 1) {
    diag_error(d, loc, "external data `%s` is a hard link: the file has %ju names", location, (uintmax_t)st.st_nlink);
    return diag_hint(d, "put a copy of the file there");
  }
  return map_fd(d, loc, location, fd, &st, out);
}

bool onnx_map_beneath(Diag *d, Loc loc, const char *folder, const char *location, OnnxBytes *out) {
  if (*location == '\0') return diag_error(d, loc, "external data without a location");
  if (*location == '/') return diag_error(d, loc, "external data `%s` has an absolute path", location);
  if (has_component(location, ".."))
    return diag_error(d, loc, "external data `%s` leaves the model's folder", location);
  int at = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (at < 0) return diag_error(d, loc, "cannot open the folder `%s`: %s", folder, strerror(errno));
  int fd = open_beneath(at, location);
  int why = errno;
  close(at);
  if (fd < 0 && (why == ELOOP || why == EXDEV)) {
    diag_error(d, loc, "external data `%s` is or goes through a symbolic link", location);
    return diag_hint(d, "put the file itself there");
  }
  if (fd < 0) return diag_error(d, loc, "cannot open external data `%s`: %s", location, strerror(why));
  bool ok = map_confined(d, loc, location, fd, out);
  close(fd);
  return ok;
}
