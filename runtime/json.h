/* json.h -- JSON in memory of the caller's: read whole, with bounds, and written as Python's json module writes it. */
#ifndef LRT_JSON_H
#define LRT_JSON_H

#include "runtime/room.h"

typedef enum JsonKind {
  JSON_NULL,
  JSON_BOOL,
  JSON_INT,
  JSON_BIG, /* a whole number of more than 64 bits: its digits */
  JSON_FLOAT,
  JSON_TEXT, /* UTF-8, without a zero at its end */
  JSON_LIST,
  JSON_OBJECT,
  JSON_KINDS /* from here on: kinds of those who keep more in such values */
} JsonKind;

enum { JSON_TUPLE = 1, JSON_MARKUP = 2 }; /* flags of JSON_LIST and of JSON_TEXT, for templates */

typedef struct Json {
  uint8_t kind, flags;
  uint16_t of;  /* for those who keep more */
  uint32_t n;   /* bytes of a text, or how many are in a list */
  union {
    bool b;
    int64_t i;
    double f;
    const char *text;
    const struct Json *at;
    const struct JsonObject *object;
    const void *other;
  };
} Json;

typedef struct JsonMember {
  Json key, value;
} JsonMember;

/* Members in the order in which they came. Those of large objects are found by a hash of their keys. */
typedef struct JsonObject {
  uint32_t n, mask;
  JsonMember *member;
  uint32_t *slot; /* [mask + 1]: which member, from 1 on; NULL in small objects */
} JsonObject;

typedef struct JsonError {
  size_t offset; /* the byte where it is wrong */
  const char *what;
} JsonError;

enum { JSON_DEPTH = 128, JSON_DIGITS = 4300 }; /* objects and lists within one another; digits of a whole number */

/* False: it is no JSON, nested too deep, or there is no room; `why` says where. Texts lie in `text` or in the room. Of members
 * with one key the last one counts, at the place of the first. */
bool json_read(const char *text, size_t n, Room *room, Json *out, JsonError *why);

static inline Json json_text(const char *text, size_t n) { return (Json){.kind = JSON_TEXT, .n = (uint32_t)n, .text = text}; }
/* Are they texts of the same bytes? */
bool json_same_text(const Json *a, const Json *b);
/* The member of this name; NULL: there is none, or it is no object. */
const Json *json_get(const Json *object, const char *name);
/* Where a key that is a text stands, or -1. */
int64_t json_find(const JsonObject *o, const Json *key);
/* Makes an object of n members, in which it drops those whose keys, as texts, come again. NULL: there is no room. */
JsonObject *json_object_of(Room *room, JsonMember *member, uint32_t n);

/* ---- writing ---- */

/* Text in memory of a fixed size; what does not fit is left out, and `full` says so. */
typedef struct TextRoom {
  char *at;
  size_t n, size;
  bool full;
} TextRoom;

void room_bytes(TextRoom *o, const char *at, size_t n);
void room_text(TextRoom *o, const char *text);
void room_whole(TextRoom *o, int64_t v);
void room_float(TextRoom *o, double v); /* as Python writes it: the fewest digits that give it back */

typedef struct JsonStyle {
  bool ascii, sorted;
  bool lines;                 /* each member on a line of its own */
  const char *indent;         /* and this before it, once a level */
  size_t n_indent;
  const char *between, *then; /* members, and keys and values; NULL: ", " (with lines: ","), and ": " */
  size_t n_between, n_then;
} JsonStyle;

/* False: there is a value that JSON has not, or keys that cannot be sorted. */
bool json_write(TextRoom *o, const Json *v, const JsonStyle *style);
/* A text in quotes. */
void json_write_text(TextRoom *o, const char *text, size_t n, bool ascii);

#endif
