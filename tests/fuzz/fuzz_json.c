/* fuzz_json.c -- a fuzz target: any bytes are JSON or an error at one of them, and what was read and written reads as the same. */
#include <stdlib.h>
#include <string.h>

#include "ir/fatal.h"
#include "mutate.h"
#include "runtime/json.h"

enum { MEMORY = 1 << 20, TEXT = 1 << 18 };

static size_t write_it(const Json *v, bool ascii, char *to) {
  TextRoom o = {.at = to, .size = TEXT};
  bool good = json_write(&o, v, &(JsonStyle){.ascii = ascii});
  return good && !o.full ? o.n : 0;
}

/* Numbers that are too large become Infinity, which is no JSON. */
static bool has_infinity(const char *text, size_t n) {
  for (size_t i = 0; i + 8 <= n; i++)
    if (memcmp(text + i, "Infinity", 8) == 0) return true;
  return false;
}

static void read_again(const char *text, size_t n, bool ascii) {
  char *memory = malloc(MEMORY), *again = malloc(TEXT);
  ensure(memory && again);
  Room room = room_of(memory, MEMORY);
  JsonError why;
  Json v;
  if (!has_infinity(text, n)) {
    ensure(json_read(text, n, &room, &v, &why));
    ensure(write_it(&v, ascii, again) == n && memcmp(again, text, n) == 0);
  }
  free(again);
  free(memory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  char *memory = malloc(MEMORY), *text = malloc(TEXT);
  ensure(memory && text);
  Room room = room_of(memory, MEMORY);
  JsonError why = {0};
  Json v;
  if (json_read((const char *)data, size, &room, &v, &why)) {
    for (int ascii = 0; ascii < 2; ascii++) {
      size_t n = write_it(&v, ascii, text);
      if (n) read_again(text, n, ascii);
    }
  } else ensure(why.what && why.offset <= size);
  free(text);
  free(memory);
  return 0;
}

void fuzz_mutate(Input *in, const Input *other, Random *r) { mutate(in, other, r); }
