/* fuzz_tokenizer.c -- a fuzz target: any bytes are a tokenizer or an error, as tokenizer.json, tokenizer.model or GGUF; and a tokenizer
 * makes tokens of any text, and text of any tokens. */
#define _GNU_SOURCE
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "frontend/tokenizers.h"
#include "ir/fatal.h"
#include "mutate.h"
#include "runtime/tokenizer.h"

static void put(void *context, const char *at, size_t n) {
  size_t *bytes = context;
  for (size_t i = 0; i < n; i++) *bytes += (uint8_t)at[i] != 0;
}

/* The end of the input is a text, too. */
static void use(const Tokenizer *t, const uint8_t *data, size_t size) {
  static const char text[] = " Hello w\xc3\xb6rld, it's 12345\n\n x";
  size_t n = size < 256 ? size : 256, bytes = 0;
  TokenList ids = {0};
  TokenizerDecode d;
  for (unsigned how = 0; how < 4; how++) ensure(tokenizer_encode(t, (const char *)data + size - n, n, how, &ids));
  ensure(tokenizer_encode(t, text, sizeof text - 1, 0, &ids));
  tokenizer_decode_start(&d, t, true, false);
  for (int64_t i = 0; i < ids.n; i++) {
    ensure(ids.at[i] >= 0 && ids.at[i] < tokenizer_count(t));
    tokenizer_decode(&d, ids.at[i], put, &bytes);
  }
  for (int64_t i = -1; i < 64; i++) tokenizer_decode(&d, i, put, &bytes);
  tokenizer_decode_end(&d, put, &bytes);
  token_list_release(&ids);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  char path[64];
  int fd = memfd_create("tokenizer", 0);
  Arena *a = arena_new();
  Diag *d = diag_new(a);
  TokenizerBytes tables = {0};
  Tokenizer t;
  ensure(fd >= 0 && write(fd, data, size) == (ssize_t)size);
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  bool good = tokenizer_load(a, d, path, &tables);
  close(fd);
  ensure(good == (diag_errors(d) == 0));
  if (good) {
    ensure(tokenizer_open_bytes(&t, tables.at, (size_t)tables.n));
    use(&t, data, size);
  }
  arena_free(a);
  return 0;
}

/* SentencePiece's files stay protobuf messages most of the time. */
void fuzz_mutate(Input *in, const Input *other, Random *r) {
  bool wire = in->n && in->at[0] == 0x0a;
  if (wire && random_index(r, 3)) mutate_wire(in, other, r);
  else mutate(in, other, r);
}
