/* lm_facts.c -- what a program needs to know of a language model besides its function: words, and which tokens mean what. */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdlib.h>

#include "frontend/lm.h"

/* ---- constants ---- */

static void add_bytes(Checkpoint *c, Model *model, const char *name, Dtype dtype, int64_t n, const void *at) {
  Module *m = c->module;
  Dim dim = dim_const(m->dims, n);
  int64_t size;
  if (dtype_size(dtype, n, &size)) model_add_fact(m, model, name, constant_bytes(m, type_tensor(m->types, dtype, 1, &dim), at, size));
}

static void add_number(Checkpoint *c, Model *model, const char *name, int64_t v) { add_bytes(c, model, name, DT_i64, 1, &v); }

static const Setting *list(const Checkpoint *c, const char *key, int64_t n) {
  const Setting *s = checkpoint_setting(c, key);
  return s && s->kind == SETTING_LIST && s->n == n ? s : NULL;
}

/* ---- words ---- */

typedef VEC(uint8_t) Bytes;

/* The words one behind another, and where each ends. */
static void add_words(Checkpoint *c, Model *model, const Setting *words) {
  Bytes text = {0};
  Arena *a = c->module->arena;
  int32_t *end = ARENA_ARRAY(a, int32_t, words->n);
  for (int64_t i = 0; i < words->n; i++) {
    for (int64_t k = 0; k < words->at[i].n; k++) vec_push(a, &text, (uint8_t)words->at[i].text[k]);
    end[i] = text.n;
  }
  add_bytes(c, model, "words", DT_u8, text.n, text.at);
  add_bytes(c, model, "word_ends", DT_i32, words->n, end);
}

static int compare_words(const void *a, const void *b, void *words) {
  const Setting *all = words, *x = &all[*(const int32_t *)a], *y = &all[*(const int32_t *)b];
  int order = memcmp(x->text, y->text, (size_t)(x->n < y->n ? x->n : y->n));
  if (order == 0) order = (x->n > y->n) - (x->n < y->n);
  return order ? order : *(const int32_t *)a < *(const int32_t *)b ? -1 : 1;
}

/* So that a program finds a word by its bytes. */
static void add_order(Checkpoint *c, Model *model, const Setting *words) {
  int32_t *order = ARENA_ARRAY(c->module->arena, int32_t, words->n);
  for (int32_t i = 0; i < words->n; i++) order[i] = i;
  qsort_r(order, (size_t)words->n, sizeof *order, compare_words, words->at);
  add_bytes(c, model, "word_order", DT_i32, words->n, order);
}

/* What SentencePiece says of each word: how likely it is, and of which kind. */
static void add_pieces(Checkpoint *c, Model *model, int64_t n) {
  const Setting *score = list(c, "tokenizer.ggml.scores", n), *kind = list(c, "tokenizer.ggml.token_type", n);
  Arena *a = c->module->arena;
  float *scores = ARENA_ARRAY(a, float, n);
  uint8_t *kinds = ARENA_ARRAY(a, uint8_t, n);
  for (int64_t i = 0; i < n; i++) {
    scores[i] = score ? (float)score->at[i].f : 0;
    kinds[i] = kind ? (uint8_t)kind->at[i].i : 1;
  }
  add_bytes(c, model, "word_scores", DT_f32, n, scores);
  add_bytes(c, model, "word_kinds", DT_u8, n, kinds);
}

static bool all_texts(const Setting *words) {
  for (int64_t i = 0; i < words->n; i++)
    if (words->at[i].kind != SETTING_TEXT || words->at[i].n > 1 << 20) return false;
  return true;
}

/* The vocabulary of a GGUF file, of the kind that SentencePiece makes. */
static bool add_vocabulary(Checkpoint *c, Model *model, int64_t words) {
  const Setting *kind = checkpoint_setting(c, "tokenizer.ggml.model"), *list_of = checkpoint_setting(c, "tokenizer.ggml.tokens");
  if (!kind || kind->kind != SETTING_TEXT || strcmp(kind->text, "llama") != 0 || !list_of) return true;
  if (list_of->kind != SETTING_LIST || list_of->n != words || !all_texts(list_of))
    return diag_error(c->module->diag, (Loc){.file = c->path}, "the vocabulary is no list of %" PRId64 " words", words);
  add_words(c, model, list_of);
  add_order(c, model, list_of);
  add_pieces(c, model, words);
  return true;
}

/* ---- tokens that mean something ---- */

static const struct {
  const char *name, *folder, *gguf;
} tokens[] = {{"bos", "bos_token_id", "tokenizer.ggml.bos_token_id"}, {"eos", "eos_token_id", "tokenizer.ggml.eos_token_id"},
              {"unknown", "unk_token_id", "tokenizer.ggml.unknown_token_id"}};

/* One number, or several of which each means it. Settings that were never changed may name tokens that the model does not have. */
static void add_tokens(Checkpoint *c, Model *model, const char *name, const Setting *s, int64_t words) {
  int64_t all = s->kind == SETTING_LIST ? s->n : 1, n = 0, *id = ARENA_ARRAY(c->module->arena, int64_t, all);
  for (int64_t i = 0; i < all; i++) {
    const Setting *one = s->kind == SETTING_LIST ? &s->at[i] : s;
    if (one->kind == SETTING_INT && one->i >= 0 && one->i < words) id[n++] = one->i;
    else diag_warn(c->module->diag, (Loc){.file = c->path}, "the token `%s` is none of the model's %" PRId64, name, words);
  }
  if (n) add_bytes(c, model, name, DT_i64, n, id);
}

bool lm_add_facts(Checkpoint *c, const LmConfig *config, Model *model, int64_t words) {
  bool good = add_vocabulary(c, model, words);
  add_number(c, model, "context", config->rows);
  add_number(c, model, "sequences", config->sequences);
  for (size_t i = 0; i < sizeof tokens / sizeof *tokens; i++) {
    const Setting *s = checkpoint_setting(c, config->gguf ? tokens[i].gguf : tokens[i].folder);
    if (s) add_tokens(c, model, tokens[i].name, s, words);
  }
  const Setting *space = checkpoint_setting(c, "tokenizer.ggml.add_space_prefix");
  if (space && space->kind == SETTING_BOOL) add_number(c, model, "space_first", space->i);
  return good;
}
