/* templates.c -- finds a model's chat template and the variables that it reads, in files of all kinds. */
#include "frontend/templates.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "ir/fatal.h"

typedef struct Finder {
  Arena *arena;
  Diag *diag;
  Templates *out;
} Finder;

/* ---- files ---- */

enum { MAX_FILE = 64 << 20 };

/* NULL after a diag_error. */
static char *read_file(Finder *f, const char *path, size_t *n) {
  FILE *file = fopen(path, "rb");
  struct stat st;
  if (!file || fstat(fileno(file), &st) != 0 || !S_ISREG(st.st_mode)) {
    diag_error(f->diag, (Loc){.file = path}, "cannot open: %s", file ? "it is no file" : strerror(errno));
    if (file) fclose(file);
    return NULL;
  }
  if (st.st_size > MAX_FILE) {
    fclose(file);
    diag_error(f->diag, (Loc){.file = path}, "the file has %lld bytes, and may have %d", (long long)st.st_size, MAX_FILE);
    return NULL;
  }
  char *at = arena_alloc(f->arena, (size_t)st.st_size + 1);
  *n = fread(at, 1, (size_t)st.st_size, file);
  fclose(file);
  return at;
}

static bool is_there(const char *path) {
  struct stat st;
  return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

static const char *inside(Finder *f, const char *folder, const char *name) { return arena_printf(f->arena, "%s/%s", folder, name); }

static bool read_template(Finder *f, const char *path, TemplateSource *to) {
  to->file = path;
  to->text = read_file(f, path, &to->n);
  return to->text;
}

/* ---- settings of a tokenizer ---- */

static void take(Finder *f, const char *path, const json_t *text, TemplateSource *to) {
  size_t n = json_string_length(text);
  *to = (TemplateSource){.file = path, .text = arena_string(f->arena, json_string_value(text), n), .n = n};
}

/* A text, or a list of named ones. */
static bool take_templates(Finder *f, const char *path, const json_t *v) {
  size_t i;
  json_t *one;
  if (json_is_string(v)) return take(f, path, v, &f->out->chat), true;
  if (!json_is_array(v)) return diag_error(f->diag, (Loc){.file = path}, "`chat_template` is neither a text nor a list");
  json_array_foreach(v, i, one) {
    const char *name = json_string_value(json_object_get(one, "name"));
    const json_t *text = json_object_get(one, "template");
    if (!name || !json_is_string(text)) return diag_error(f->diag, (Loc){.file = path}, "`chat_template` holds something without a name or a template");
    if (strcmp(name, "default") == 0) take(f, path, text, &f->out->chat);
    if (strcmp(name, "tool_use") == 0) take(f, path, text, &f->out->tools);
  }
  return true;
}

/* Tokens that templates know by name: a text, or an object with its `content`. */
static void take_tokens(json_t *variables, const json_t *config) {
  static const char *const names[] = {"bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    json_t *v = json_object_get(config, names[i]);
    if (json_is_object(v)) v = json_object_get(v, "content");
    if (json_is_string(v)) json_object_set(variables, names[i], v);
  }
}

static void keep_variables(Finder *f, json_t *variables) {
  char *text = json_dumps(variables, JSON_COMPACT | JSON_ENCODE_ANY);
  if (!text) fatal_resource("there is no memory for a template's variables");
  f->out->variables = arena_string(f->arena, text, strlen(text));
  free(text);
}

static bool read_config(Finder *f, const char *path, bool templates, json_t *variables) {
  json_error_t error;
  if (!is_there(path)) return true;
  json_t *config = json_load_file(path, 0, &error);
  bool good = json_is_object(config) || diag_error(f->diag, (Loc){.file = path, .line = config ? 0 : error.line}, "%s", config ? "this is no JSON object" : error.text);
  if (good) take_tokens(variables, config);
  json_t *v = json_object_get(config, "chat_template");
  if (good && templates && v && !json_is_null(v)) good = take_templates(f, path, v);
  json_decref(config);
  return good;
}

/* A file of its own comes before what the settings say, as transformers has it. */
static bool read_folder(Finder *f, const char *folder) {
  const char *own = inside(f, folder, "chat_template.jinja"), *tools = inside(f, folder, "additional_chat_templates/tool_use.jinja");
  json_t *variables = json_object();
  bool has_own = is_there(own);
  bool good = read_config(f, inside(f, folder, "special_tokens_map.json"), false, variables) &&
              read_config(f, inside(f, folder, "tokenizer_config.json"), !has_own, variables);
  if (good && has_own) good = read_template(f, own, &f->out->chat);
  if (good && is_there(tools)) good = read_template(f, tools, &f->out->tools);
  keep_variables(f, variables);
  json_decref(variables);
  return good;
}

/* ---- GGUF ---- */

static const Setting *text_setting(const Checkpoint *c, const char *key) {
  const Setting *s = checkpoint_setting(c, key);
  return s && s->kind == SETTING_TEXT ? s : NULL;
}

static void take_gguf_token(const Checkpoint *c, json_t *variables, const char *name, const char *key) {
  const Setting *id = checkpoint_setting(c, key), *words = checkpoint_setting(c, "tokenizer.ggml.tokens");
  if (!id || !words || id->kind != SETTING_INT || words->kind != SETTING_LIST || id->i < 0 || id->i >= words->n) return;
  const Setting *word = &words->at[id->i];
  json_t *v = word->kind == SETTING_TEXT ? json_stringn(word->text, (size_t)word->n) : NULL; /* NULL if it is no UTF-8 */
  if (v) json_object_set_new(variables, name, v);
}

static void read_gguf(Finder *f, const Checkpoint *c) {
  const Setting *s = text_setting(c, "tokenizer.chat_template"), *t = text_setting(c, "tokenizer.chat_template.tool_use");
  json_t *variables = json_object();
  if (s) f->out->chat = (TemplateSource){.file = c->path, .text = s->text, .n = (size_t)s->n};
  if (t) f->out->tools = (TemplateSource){.file = c->path, .text = t->text, .n = (size_t)t->n};
  take_gguf_token(c, variables, "bos_token", "tokenizer.ggml.bos_token_id");
  take_gguf_token(c, variables, "eos_token", "tokenizer.ggml.eos_token_id");
  take_gguf_token(c, variables, "unk_token", "tokenizer.ggml.unknown_token_id");
  take_gguf_token(c, variables, "pad_token", "tokenizer.ggml.padding_token_id");
  keep_variables(f, variables);
  json_decref(variables);
}

static bool load_gguf(Finder *f, const char *path) {
  Module *m = module_new(f->arena, f->diag);
  Checkpoint c = {.module = m, .path = path};
  bool good = gguf_read_settings(&c, path);
  if (good) read_gguf(f, &c);
  module_close(m);
  return good;
}

/* ---- all kinds ---- */

bool templates_of(const Checkpoint *c, bool gguf, Templates *out) {
  Finder f = {c->module->arena, c->module->diag, out};
  *out = (Templates){.variables = "{}"};
  return gguf ? (read_gguf(&f, c), true) : read_folder(&f, c->path);
}

static bool is_gguf(const char *path) {
  char start[4] = {0};
  FILE *f = fopen(path, "rb");
  size_t n = f ? fread(start, 1, sizeof start, f) : 0;
  if (f) fclose(f);
  return n == 4 && memcmp(start, "GGUF", 4) == 0;
}

bool templates_load(Arena *a, Diag *d, const char *path, Templates *out) {
  struct stat st;
  Finder f = {a, d, out};
  *out = (Templates){.variables = "{}"};
  if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) return read_folder(&f, path);
  return is_gguf(path) ? load_gguf(&f, path) : read_template(&f, path, &out->chat);
}
