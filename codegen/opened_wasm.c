/* opened_wasm.c -- gives a linked module of WebAssembly a last segment of data, for the weights.
 *
 * They begin where the linker's data end (the exported global __heap_base, rounded up), and memory begins large enough for them.
 * A section is its number, its length and its content; numbers are of seven bits a byte, the lowest first. */
#include "codegen/opened.h"
#include "ir/fatal.h"
#include "runtime/abi.h"

enum { SECTION_MEMORY = 5, SECTION_GLOBAL = 6, SECTION_EXPORT = 7, SECTION_DATA = 11, SECTION_COUNT = 12, EXPORTED_GLOBAL = 3,
       I32_CONST = 0x41, END = 0x0b, PAGE = 64 << 10, HEADER = 8 };

typedef VEC(char) Bytes;

typedef struct Section {
  int number;
  const char *start, *content, *end; /* start: of the number */
} Section;

/* ---- numbers ---- */

static uint64_t take(const char **at) {
  uint64_t v = 0;
  for (int shift = 0;; shift += 7) {
    uint8_t byte = (uint8_t)*(*at)++;
    v |= (uint64_t)(byte & 127) << shift;
    if (!(byte & 128)) return v;
  }
}

static void put(Arena *a, Bytes *b, uint64_t v) {
  for (; v > 127; v >>= 7) vec_push(a, b, (char)(v | 128));
  vec_push(a, b, (char)v);
}

/* Signed: the last byte's seventh bit is the sign. Bit 31 of an address is one. */
static void put_address(Arena *a, Bytes *b, uint32_t address) {
  int64_t v = (int32_t)address;
  for (; v > 63 || v < -64; v >>= 7) vec_push(a, b, (char)(v | 128));
  vec_push(a, b, (char)(v & 127));
}

static void put_bytes(Arena *a, Bytes *b, const char *from, const char *to) {
  for (; from < to; from++) vec_push(a, b, *from);
}

static size_t length_of(uint64_t v) {
  size_t n = 1;
  while (v >>= 7) n++;
  return n;
}

/* ---- sections ---- */

static Section next_section(const char *at) {
  Section s = {.start = at, .number = *at};
  at++;
  uint64_t size = take(&at);
  s.content = at;
  s.end = at + size;
  return s;
}

static Section find_section(const char *file, size_t size, int number) {
  for (const char *at = file + HEADER; at < file + size;) {
    Section s = next_section(at);
    if (s.number == number) return s;
    at = s.end;
  }
  return (Section){0};
}

static void put_section(Arena *a, Bytes *b, int number, const Bytes *content) {
  vec_push(a, b, (char)number);
  put(a, b, (uint64_t)content->n);
  put_bytes(a, b, content->at, content->at + content->n);
}

/* ---- where the linker's data end ---- */

static uint64_t exported_global(const Section *exports, const char *name) {
  const char *at = exports->content;
  for (uint64_t n = take(&at); n > 0; n--) {
    uint64_t length = take(&at);
    bool found = length == strlen(name) && memcmp(at, name, length) == 0;
    at += length;
    int kind = *at++;
    uint64_t index = take(&at);
    if (found && kind == EXPORTED_GLOBAL) return index;
  }
  fatal_bug(__FILE__, __LINE__, "a module does not say where its data end");
}

/* Globals here are all of type i32 or i64, and of a constant each. */
static uint32_t global_value(const Section *globals, uint64_t index) {
  const char *at = globals->content;
  uint64_t n = take(&at);
  ensure(index < n);
  for (uint64_t i = 0;; i++) {
    at += 2; /* type, mutable */
    ensure(*at == I32_CONST);
    at++;
    uint64_t v = take(&at);
    ensure(*at == END);
    at++;
    if (i == index) return (uint32_t)v; /* below 2^31, since memory grows from 0: its sign is nothing to extend */
  }
}

static uint32_t weights_address(const char *file, size_t size) {
  Section exports = find_section(file, size, SECTION_EXPORT), globals = find_section(file, size, SECTION_GLOBAL);
  ensure(exports.content && globals.content);
  uint32_t end = global_value(&globals, exported_global(&exports, "__heap_base"));
  return (end + LRT_ALIGN - 1) / LRT_ALIGN * LRT_ALIGN;
}

/* ---- the parts ---- */

static void put_memory(Arena *a, Bytes *b, const Section *s, uint64_t end) {
  const char *at = s->content;
  Bytes content = {0};
  uint64_t n = take(&at), flags = take(&at), least = take(&at), pages = (end + PAGE - 1) / PAGE;
  ensure(n == 1 && flags == 0);
  put(a, &content, 1);
  put(a, &content, 0);
  put(a, &content, pages > least ? pages : least);
  put_section(a, b, SECTION_MEMORY, &content);
}

/* All of the section but the weights themselves. */
static void put_data(Arena *a, Bytes *b, const Section *s, uint32_t address, uint64_t size) {
  Bytes segment = {0};
  const char *at = s->content;
  uint64_t n = s->content ? take(&at) : 0;
  put(a, &segment, 0); /* in memory 0, at */
  vec_push(a, &segment, I32_CONST);
  put_address(a, &segment, address);
  vec_push(a, &segment, END);
  put(a, &segment, size);
  vec_push(a, b, SECTION_DATA);
  put(a, b, length_of(n + 1) + (uint64_t)(s->end - at) + (uint64_t)segment.n + size);
  put(a, b, n + 1);
  put_bytes(a, b, at, s->end);
  put_bytes(a, b, segment.at, segment.at + segment.n);
}

static void put_count(Arena *a, Bytes *b, const Section *s) {
  const char *at = s->content;
  Bytes content = {0};
  put(a, &content, take(&at) + 1);
  put_section(a, b, SECTION_COUNT, &content);
}

Opened opened_wasm(Arena *a, const char *file, size_t file_size, uint64_t size) {
  uint32_t address = weights_address(file, file_size);
  Bytes b = {0};
  const char *at = file + HEADER, *end = file + file_size;
  bool placed = false;
  put_bytes(a, &b, file, at);
  while (at < end && !placed) {
    Section s = next_section(at);
    at = s.end;
    placed = s.number == SECTION_DATA;
    if (placed) put_data(a, &b, &s, address, size);
    else if (s.number == SECTION_MEMORY) put_memory(a, &b, &s, address + size);
    else if (s.number == SECTION_COUNT) put_count(a, &b, &s);
    else put_bytes(a, &b, s.start, s.end);
  }
  ensure(placed); /* a program is data */
  return (Opened){b.at, at, (size_t)b.n, (size_t)(end - at), (uint64_t)b.n, (uint64_t)b.n + size};
}
