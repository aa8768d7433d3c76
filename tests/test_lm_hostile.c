/* test_lm_hostile.c -- Hugging Face folders and GGUF files that are wrong in some way are refused, with the reason.
 *
 * Each case is a tiny model in which some bytes are replaced by others. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "frontend/lm.h"
#include "ir/fatal.h"

static int failures;

typedef struct Bytes {
  char *at;
  size_t n;
} Bytes;

static Bytes read_bytes(const char *path) {
  FILE *f = fopen(path, "rb");
  ensure(f && fseek(f, 0, SEEK_END) == 0);
  Bytes b = {.n = (size_t)ftell(f)};
  rewind(f);
  ensure((b.at = malloc(b.n + 1)) && fread(b.at, 1, b.n, f) == b.n);
  fclose(f);
  return b;
}

static void write_bytes(const char *path, const char *at, size_t n) {
  FILE *f = fopen(path, "wb");
  ensure(f && fwrite(at, 1, n, f) == n && fclose(f) == 0);
}

/* The first place of `find` holds `put` instead. */
static Bytes replaced(Bytes b, const char *find, size_t n, const char *put, size_t m) {
  char *at = memmem(b.at, b.n, find, n);
  ensure(at && "what is to be replaced is not there");
  size_t before = (size_t)(at - b.at);
  Bytes out = {.at = malloc(b.n + m), .n = b.n - n + m};
  ensure(out.at);
  memcpy(out.at, b.at, before);
  memcpy(out.at + before, put, m);
  memcpy(out.at + before + m, at + n, b.n - before - n);
  return out;
}

/* message: a part of the first error's; NULL: the model is good. */
static void expect(const char *what, const char *path, const LmOptions *o, const char *message) {
  Arena *a = arena_new();
  Diag *d = diag_new(a);
  Module *m = lm_import(a, d, path, o);
  const char *said = diag_first(d);
  bool good = message ? !m && said && strstr(said, message) : m && diag_errors(d) == 0;
  if (!good) printf("%s: expected `%s`, got %s `%s`\n", what, message ? message : "success", m ? "a module and" : "", said ? said : "nothing");
  failures += !good;
  if (m) module_close(m);
  arena_free(a);
}

/* A string literal and its length, for bytes that may be 0. */
#define B(s) s, sizeof s - 1

typedef struct Edit {
  const char *find;
  size_t n;
  const char *put;
  size_t m;
  const char *message;
} Edit;

static void try_edit(const char *file, const char *path, Bytes b, const Edit *e) {
  Bytes changed = replaced(b, e->find, e->n, e->put, e->m);
  write_bytes(file, changed.at, changed.n);
  expect(e->message, path, &(LmOptions){0, NULL}, e->message);
  free(changed.at);
  write_bytes(file, b.at, b.n);
}
#define TRY_ALL(file, path, bytes, edits) \
  for (size_t i = 0; i < sizeof(edits) / sizeof *(edits); i++) try_edit(file, path, bytes, &(edits)[i])

/* ---- config.json ---- */

static const Edit settings[] = {
  {B("\"num_attention_heads\": 6"), B("\"num_attention_heads\": 0"), "0 heads"},
  {B("\"num_attention_heads\": 6"), B("\"num_attention_heads\": 5"), "5 heads are no multiple of 2 key heads"},
  {B("\"num_attention_heads\": 6"), B("\"num_attention_heads\": \"6\""), "`num_attention_heads` is no number"},
  {B("\"num_attention_heads\": 6"), B("\"num_attention_heads\": 1e300"), "`num_attention_heads` is 1e+300"},
  {B("\"num_attention_heads\": 6"), B("\"num_attention_heads\": 2.5"), "2.5 heads"},
  {B("\"num_key_value_heads\": 2"), B("\"num_key_value_heads\": 12"), "12 key and value heads; from 1 to 6"},
  {B("\"num_hidden_layers\": 2"), B("\"num_hidden_layers\": -2"), "-2 layers"},
  {B("\"num_hidden_layers\": 2"), B("\"num_hidden_layers\": 3"), "tensor `layers.2.input_layernorm.weight` is missing"},
  {B("\"num_hidden_layers\": 2"), B("\"hidden_layers\": 2"), "the settings have no `num_hidden_layers`"},
  {B("\"hidden_size\": 24"), B("\"hidden_size\": 1099511627776"), "1.09951e+12 numbers a token"},
  {B("\"hidden_size\": 24"), B("\"hidden_size\": 48"), "is [67,24], and the settings make it [67,48]"},
  {B("\"head_dim\": 4"), B("\"head_dim\": 3"), "3 numbers of 3 a head are rotated"},
  {B("\"max_position_embeddings\": 64"), B("\"max_position_embeddings\": 0"), "0 positions"},
  {B("\"hidden_act\": \"silu\""), B("\"hidden_act\": \"mish\""), "the activation `mish` is not known"},
  {B("\"rope_scaling\": null"), B("\"rope_scaling\": {\"rope_type\": \"bent\"}"), "in the way `bent`"},
  {B("\"rope_scaling\": null"), B("\"rope_scaling\": {\"rope_type\": \"linear\", \"factor\": 0}"), "the positions are scaled by 0"},
  {B("LlamaForCausalLM"), B("LlamaForNothing"), "models of the architecture `LlamaForNothing`"},
  {B("\"architectures\""), B("\"architects\""), "config.json names no `architectures`"},
  {B("\"vocab_size\": 67\n}"), B("\"vocab_size\": 67"), "expected"},
  {B("\"use_cache\": true"), B("\"vocab_size\": 66"), "duplicate"},
  {B("{\n"), B("[1]{\n"), "end of file expected"},
};

/* ---- safetensors ---- */

static const Edit tensors[] = {
  {B("\"F32\""), B("\"F3 \""), "is of type F3 , which is not read"},
  {B("\"shape\":[67,24]"), B("\"shape\":[67,-4]"), "has a size that is no number of elements"},
  {B("\"shape\":[67,24]"), B("\"shape\":[67,25]"), "has 6432 bytes, and its shape is not of so many"},
  {B("[0,6432]"), B("[6432,0]"), "has no data_offsets [from, to]"},
  {B("\"model.norm.weight\""), B("\"model.nOrm.weight\""), "tensor `norm.weight` is missing"},
  {B("\"model.embed_tokens.weight\""), B("\"lm_head.weight\"           "), "duplicate"},
  {B("{\"__metadata__\""), B("[\"__metadata__\""), "the header is no JSON object"},
};

static void test_safetensors(const char *file, const char *folder, Bytes b) {
  static const uint64_t lengths[] = {0, 1, UINT64_MAX, INT64_MAX, 1ull << 31, 1ull << 32};
  TRY_ALL(file, folder, b, tensors);
  for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
    Bytes copy = replaced(b, b.at, 8, (const char *)&lengths[i], 8);
    write_bytes(file, copy.at, copy.n);
    expect("a header's length", folder, &(LmOptions){0, NULL}, lengths[i] < 2 ? "the header is no JSON object" : "this is no safetensors file");
    free(copy.at);
  }
  write_bytes(file, b.at, b.n - 1);
  expect("one byte less", folder, &(LmOptions){0, NULL}, "ends at byte 50768, and the file has 50767");
  write_bytes(file, b.at, 5);
  expect("five bytes", folder, &(LmOptions){0, NULL}, "this is no safetensors file");
  unlink(file);
  expect("no weights", folder, &(LmOptions){0, NULL}, "there is no model.safetensors");
  write_bytes(file, b.at, b.n);
}

/* ---- an index of shards ---- */

static void test_index(const char *folder, const char *index) {
  static const struct {
    const char *text, *message;
  } cases[] = {
    {"{\"weight_map\": {\"a\": \"../model.safetensors\"}}", "tensor `a` is said to be in no file of this folder"},
    {"{\"weight_map\": {\"a\": \"..\"}}", "tensor `a` is said to be in no file of this folder"},
    {"{\"weight_map\": {\"a\": 5}}", "tensor `a` is said to be in no file of this folder"},
    {"{\"weight_map\": {\"a\": \"none.safetensors\"}}", "cannot open"},
    {"{\"weight_map\": [1]}", "the index is no JSON object"},
    {"{\"weight_map\": {\"a\": \"model.safetensors\", \"b\": \"model.safetensors\"}}", NULL},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    write_bytes(index, cases[i].text, strlen(cases[i].text));
    expect(cases[i].text, folder, &(LmOptions){0, NULL}, cases[i].message);
  }
  unlink(index);
}

/* ---- GGUF ---- */

static const Edit records[] = {
  {B("GGUF"), B("GGML"), "this is no GGUF file"},
  {B("GGUF\x03\0\0\0"), B("GGUF\x01\0\0\0"), "this is version 1 of GGUF, and 2 and 3 are read"},
  {B("GGUF\x03\0\0\0"), B("GGUF\0\0\0\x03"), "this GGUF file is big-endian"},
  {B("\x03\0\0\0\x15\0\0\0\0\0\0\0"), B("\x03\0\0\0\xff\xff\xff\xff\xff\xff\xff\x7f"), "the file says 9223372036854775807 tensors"},
  {B("\x03\0\0\0\x15\0\0\0\0\0\0\0"), B("\x03\0\0\0\0\x20\0\0\0\0\0\0"), "in the middle of its header"},
  {B("\x14\0\0\0\0\0\0\0general.arch"), B("\xff\xff\xff\xff\0\0\0\0general.arch"), "bytes of text"},
  {B("general.architecture\x08"), B("general.architecture\x0d"), "names a value of type 13, which is unknown"},
  {B("general.architecture\x08\0\0\0"), B("general.architecture\x09\0\0\0\x09\0\0\0"), "names a value of type 9, which is a list in a list"},
  {B("\x05\0\0\0\0\0\0\0llama"), B("\x05\0\0\0\0\0\0\0lama7"), "models of the architecture `lama7`"},
  {B("llama.block_count"), B("llama.block_cOunt"), "the settings have no `block_count`"},
  {B("output.weight\x02\0\0\0"), B("output.weight\x09\0\0\0"), "has more than 4 axes"},
  {B("output.weight\x02\0\0\0\x18"), B("output.weight\x02\0\0\0\x19"), "`output.weight` is [67,25], and the settings make it [67,24]"},
  {B("C\0\0\0\0\0\0\0\0\0\0\0"), B("C\0\0\0\0\0\0\0\x0a\0\0\0"), "is of type Q2_K, which is not read yet"},
  {B("C\0\0\0\0\0\0\0\0\0\0\0"), B("C\0\0\0\0\0\0\0\xc8\0\0\0"), "is of a type that is not known"},
  {B("C\0\0\0\0\0\0\0\0\0\0\0"), B("C\0\0\0\0\0\0\0\x08\0\0\0"), "is of type Q8_0, and its rows are no multiple of 32"},
  {B("C\0\0\0\0\0\0\0\0\0\0\0"), B("\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0"), "has a size past 63 bits"},
  {B("C\0\0\0\0\0\0\0\0\0\0\0"), B("\xff\xff\xff\xff\xff\xff\xff\x7f\0\0\0\0"), "has more elements than 63 bits count"},
  {B("C\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), B("C\0\0\0\0\0\0\0\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff"), "begins past 63 bits"},
  {B("token_embd.weight"), B("token_embx.weight"), "tensor `token_embd.weight` is missing"},
  {B("blk.0.attn_k.weight"), B("blk.0.attn_q.weight"), "is there twice"},
};

static void test_gguf(const char *file, Bytes b) {
  TRY_ALL(file, file, b, records);
  for (size_t n = 24; n < 1800; n += n < 200 ? 1 : 37) { /* behind the counts, and before the header's end */
    write_bytes(file, b.at, n);
    expect("a part of the header", file, &(LmOptions){0, NULL}, "in the middle of its header");
  }
  write_bytes(file, b.at, b.n - 1);
  expect("one byte less", file, &(LmOptions){0, NULL}, "ends at byte 50496, and the file has 50495");
  write_bytes(file, b.at, b.n);
}

/* ---- sizes from outside ---- */

static void test_sizes(const char *folder) {
  static const struct {
    Binding dim;
    const char *message;
  } cases[] = {
    {{"context", 0, false}, "-d context=0: the model was made for 1 to 64"}, {{"context", 65, false}, "-d context=65: the model was made for 1 to 64"},
    {{"context", 64, false}, NULL}, {{"sequences", 0, false}, "-d sequences=0: from 1 to 4096"},
    {{"sequences", INT64_MAX, false}, "from 1 to 4096"}, {{"nothing", 5, false}, "nothing"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    LmOptions o = {1, &cases[i].dim};
    expect(cases[i].dim.name, folder, &o, cases[i].message);
  }
}

int main(void) {
  char folder[] = "/tmp/lathe-hostile-XXXXXX";
  Bytes config = read_bytes("tests/lm/llama/config.json"), weights = read_bytes("tests/lm/llama/model.safetensors");
  Bytes gguf = read_bytes("tests/lm/llama/model.gguf");
  ensure(mkdtemp(folder) && chdir(folder) == 0);
  write_bytes("config.json", config.at, config.n);
  write_bytes("model.safetensors", weights.at, weights.n);
  write_bytes("model.gguf", gguf.at, gguf.n);
  expect("the folder", folder, &(LmOptions){0, NULL}, NULL);
  expect("the file", "model.gguf", &(LmOptions){0, NULL}, NULL);
  TRY_ALL("config.json", folder, config, settings);
  test_safetensors("model.safetensors", folder, weights);
  test_index(folder, "model.safetensors.index.json");
  test_sizes(folder);
  test_gguf("model.gguf", gguf);
  unlink("config.json"), unlink("model.safetensors"), unlink("model.gguf"), rmdir(folder);
  free(config.at), free(weights.at), free(gguf.at);
  if (failures) printf("%d failures\n", failures);
  return failures != 0;
}
