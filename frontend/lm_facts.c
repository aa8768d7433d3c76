/* lm_facts.c -- what a program needs to know of a language model besides its function: its tokenizer, and which tokens mean what. */
#include <inttypes.h>

#include "frontend/lm.h"
#include "frontend/templates.h"
#include "frontend/tokenizers.h"

/* ---- constants ---- */

static void add_bytes(Checkpoint *c, Model *model, const char *name, Dtype dtype, int64_t n, const void *at) {
  Module *m = c->module;
  Dim dim = dim_const(m->dims, n);
  int64_t size;
  if (dtype_size(dtype, n, &size)) model_add_fact(m, model, name, constant_bytes(m, type_tensor(m->types, dtype, 1, &dim), at, size));
}

static void add_number(Checkpoint *c, Model *model, const char *name, int64_t v) { add_bytes(c, model, name, DT_i64, 1, &v); }

/* ---- the tokenizer ---- */

/* Of the file, or of the folder; a model without one takes and gives tokens. */
bool lm_add_tokenizer(Checkpoint *c, const LmConfig *config, Model *model) {
  Module *m = c->module;
  TokenizerBytes tables = {0};
  if (config->gguf && !checkpoint_setting(c, "tokenizer.ggml.tokens")) return true;
  if (!config->gguf && !tokenizer_in_folder(m->arena, c->path)) return true;
  if (config->gguf ? !tokenizer_from_settings(c, &tables) : !tokenizer_load(m->arena, m->diag, c->path, &tables)) return false;
  add_bytes(c, model, "tokenizer", DT_u8, tables.n, tables.at);
  return true;
}

/* ---- the chat template ---- */

/* What cannot be read costs the program its chat, and nothing else. */
static void add_template(Checkpoint *c, Model *model, const char *name, const TemplateSource *s) {
  Module *m = c->module;
  TemplateWords words = {0};
  DiagMark mark = diag_mark(m->diag);
  if (!s->text) return;
  if (template_compile(m->arena, m->diag, s->file, s->text, s->n, &words)) {
    add_bytes(c, model, name, DT_i32, words.n, words.at);
    return;
  }
  diag_hint(m->diag, "the program has no chat");
  diag_forgive(m->diag, mark);
}

static void add_templates(Checkpoint *c, const LmConfig *config, Model *model) {
  Templates t = {0};
  if (!templates_of(c, config->gguf, &t)) return;
  add_template(c, model, "chat_template", &t.chat);
  add_template(c, model, "tool_template", &t.tools);
  if (t.chat.text) add_bytes(c, model, "template_variables", DT_u8, (int64_t)strlen(t.variables), t.variables);
}

/* ---- tokens that mean something ---- */

static const struct {
  const char *name, *folder, *gguf;
} tokens[] = {{"bos", "bos_token_id", "tokenizer.ggml.bos_token_id"}, {"eos", "eos_token_id", "tokenizer.ggml.eos_token_id"},
              {"unknown", "unk_token_id", "tokenizer.ggml.unknown_token_id"}};

/* One number, or several of which each means it. Settings that were never changed may name tokens that the model does not have. */
void lm_add_tokens(Checkpoint *c, Model *model, const char *name, const Setting *s, int64_t words) {
  int64_t all = s->kind == SETTING_LIST ? s->n : 1, n = 0, *id = ARENA_ARRAY(c->module->arena, int64_t, all);
  for (int64_t i = 0; i < all; i++) {
    const Setting *one = s->kind == SETTING_LIST ? &s->at[i] : s;
    if (one->kind == SETTING_INT && one->i >= 0 && one->i < words) id[n++] = one->i;
    else diag_warn(c->module->diag, (Loc){.file = c->path}, "the token `%s` is none of the model's %" PRId64, name, words);
  }
  if (n) add_bytes(c, model, name, DT_i64, n, id);
}

/* How many rows may be taken back from a cache that keeps a window only. */
static void add_back(Checkpoint *c, const LmConfig *config, Model *model) {
  Module *m = c->module;
  for (int i = 0; i < m->states.n; i++)
    if (m->states.at[i]->addressing == ADDRESS_RING) {
      add_number(c, model, "back", m->states.at[i]->capacity - (int64_t)config->window);
      return;
    }
}

bool lm_add_facts(Checkpoint *c, const LmConfig *config, Model *model, int64_t words) {
  bool good = lm_add_tokenizer(c, config, model);
  add_templates(c, config, model);
  add_number(c, model, "context", config->rows);
  add_number(c, model, "sequences", config->sequences);
  add_back(c, config, model);
  for (size_t i = 0; i < sizeof tokens / sizeof *tokens; i++) {
    const Setting *s = checkpoint_setting(c, config->gguf ? tokens[i].gguf : tokens[i].folder);
    if (s) lm_add_tokens(c, model, tokens[i].name, s, words);
  }
  return good;
}
