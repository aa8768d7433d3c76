/* lm_config.c -- what a language model's settings say, under the names of whoever wrote them. */
#include <inttypes.h>
#include <math.h>

#include "frontend/lm.h"

/* ---- the tables ---- */

// clang-format off
static const LmFamilyInfo families[] = {
#define FAMILY(name, classes, gguf, kind, norm, positions, layout, prefixes, docs) \
  {#name, classes, gguf, LM_##kind, LM_##norm, LM_##positions, LM_##layout, prefixes, docs},
#include "frontend/families.def"
};

static const char *const pairs[] = {
#define PAIRS(gguf) gguf,
#include "frontend/families.def"
};

static const struct {
  const char *keys, *gguf;
  double otherwise; /* NAN: it must be there */
  size_t at;        /* in LmConfig */
} numbers[] = {
#define NUMBER(field, keys, gguf, otherwise) {keys, gguf, otherwise, offsetof(LmConfig, field)},
#include "frontend/families.def"
};

static const char *const roles[] = {
#define TENSOR(role, ...) #role,
#include "frontend/families.def"
};

enum { NAMES_gguf, NAMES_llama, NAMES_gpt2, NAMES_bert, NAMES_count };
static const char *const names[][NAMES_count] = {
#define TENSOR(role, gguf, llama, gpt2, bert) {gguf, llama, gpt2, bert},
#include "frontend/families.def"
};
// clang-format on

enum { N_NUMBERS = sizeof numbers / sizeof *numbers };

const LmFamilyInfo *lm_family(LmFamily f) { return &families[f]; }
const char *lm_role_name(LmRole role) { return roles[role]; }

/* ---- words ---- */

/* The next of some words with blanks between; false at the end. */
static bool next_word(Arena *a, const char **at, const char **word) {
  *at += strspn(*at, " ");
  size_t n = strcspn(*at, " ");
  *word = arena_string(a, *at, n);
  *at += n;
  return n > 0;
}

static bool has_word(Arena *a, const char *words, const char *one) {
  for (const char *word; next_word(a, &words, &word);)
    if (strcmp(word, one) == 0) return true;
  return false;
}

/* ---- settings ---- */

static const char *architecture(const Checkpoint *c) {
  const Setting *s = checkpoint_setting(c, "general.architecture");
  return s && s->kind == SETTING_TEXT ? s->text : "";
}

/* The first of some keys that is there. */
static const Setting *find(const Checkpoint *c, bool gguf, const char *keys, const char **key) {
  Arena *a = c->module->arena;
  while (next_word(a, &keys, key)) {
    if (gguf) *key = arena_printf(a, "%s.%s", architecture(c), *key);
    const Setting *s = checkpoint_setting(c, *key);
    if (s) return s;
  }
  return NULL;
}

static const char *text(const Checkpoint *c, bool gguf, const char *keys) {
  const char *key;
  const Setting *s = find(c, gguf, keys, &key);
  return s && s->kind == SETTING_TEXT ? s->text : "";
}

static bool flag(const Checkpoint *c, const char *key, bool otherwise) {
  const Setting *s = checkpoint_setting(c, key);
  return s && s->kind == SETTING_BOOL ? s->i : otherwise;
}

static bool wrong(const Checkpoint *c, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  const char *what = arena_vprintf(c->module->arena, fmt, ap);
  va_end(ap);
  return diag_error(c->module->diag, (Loc){.file = c->path}, "%s", what);
}

static bool read_number(const Checkpoint *c, int i, LmConfig *out) {
  const char *keys = out->gguf ? numbers[i].gguf : numbers[i].keys, *key = "";
  const Setting *s = find(c, out->gguf, keys, &key);
  double *to = (double *)(void *)((char *)out + numbers[i].at);
  *to = numbers[i].otherwise;
  if (!s && isnan(*to)) return wrong(c, "the settings have no `%.*s`", (int)strcspn(keys, " "), keys);
  if (!s) return true;
  if (s->kind != SETTING_INT && s->kind != SETTING_FLOAT) return wrong(c, "`%s` is no number", key);
  if (!isfinite(s->f) || fabs(s->f) > 1e15) return wrong(c, "`%s` is %g", key, s->f);
  *to = s->f;
  return true;
}

/* ---- the family ---- */

static bool unknown_family(const Checkpoint *c, const char *what) {
  wrong(c, "models of the architecture `%s` are not read yet", what);
  char *all = "";
  for (int i = 0; i < LM_families; i++)
    all = arena_printf(c->module->arena, "%s%s%.*s", all, i ? ", " : "", (int)strcspn(families[i].classes, " "), families[i].classes);
  return diag_hint(c->module->diag, "those that are: %s", all);
}

static bool find_family_of_file(const Checkpoint *c, LmConfig *out) {
  const char *name = architecture(c);
  for (int i = 0; i < LM_families; i++)
    if (*name && strcmp(families[i].gguf, name) == 0) {
      out->family = (LmFamily)i;
      for (size_t k = 0; k < sizeof pairs / sizeof *pairs; k++) out->pairs |= strcmp(pairs[k], name) == 0;
      return true;
    }
  return unknown_family(c, *name ? name : "(none)");
}

static bool find_family_of_folder(const Checkpoint *c, LmConfig *out) {
  const Setting *all = checkpoint_setting(c, "architectures");
  const Setting *first = all && all->kind == SETTING_LIST && all->n ? &all->at[0] : NULL;
  if (!first || first->kind != SETTING_TEXT) return wrong(c, "config.json names no `architectures`");
  for (int i = 0; i < LM_families; i++)
    if (has_word(c->module->arena, families[i].classes, first->text)) return out->family = (LmFamily)i, true;
  return unknown_family(c, first->text);
}

/* ---- sizes ---- */

static bool whole(const Checkpoint *c, const char *what, double v, double most) {
  if (v >= 1 && v <= most && v == floor(v)) return true;
  return wrong(c, "the model has %g %s; from 1 to %g are read", v, what, most);
}

static bool check_sizes(const Checkpoint *c, LmConfig *out) {
  if (!whole(c, "layers", out->layers, 10000) || !whole(c, "numbers a token (hidden size)", out->hidden, 1 << 20) ||
      !whole(c, "heads", out->heads, 1 << 16) || !whole(c, "positions", out->context, 1e9))
    return false;
  if (out->groups == 0) out->groups = out->heads;
  if (!whole(c, "key and value heads", out->groups, out->heads)) return false;
  if (fmod(out->heads, out->groups) != 0) return wrong(c, "%g heads are no multiple of %g key heads", out->heads, out->groups);
  if (out->head == 0 && fmod(out->hidden, out->heads) != 0)
    return wrong(c, "%g numbers a token do not part into %g heads", out->hidden, out->heads);
  if (out->head == 0) out->head = out->hidden / out->heads;
  if (out->rotated == 0) out->rotated = floor(out->head * out->partial);
  if (families[out->family].positions != LM_ROPE) return whole(c, "numbers a head", out->head, 1 << 14);
  if (fmod(out->rotated, 2) != 0 || out->rotated > out->head || out->rotated < 2)
    return wrong(c, "%g numbers of %g a head are rotated; an even count is needed", out->rotated, out->head);
  return whole(c, "numbers a head", out->head, 1 << 14);
}

static bool read_scaling(const Checkpoint *c, LmConfig *out) {
  static const char *const kinds[SCALING_count] = {"none default", "linear", "dynamic", "llama3", "yarn"};
  const char *kind = out->gguf ? text(c, true, "rope.scaling.type")
                               : text(c, false, "rope_scaling.rope_type rope_scaling.type rope_parameters.rope_type");
  if (!*kind) return true;
  for (int i = 0; i < SCALING_count; i++)
    if (has_word(c->module->arena, kinds[i], kind)) {
      out->scaling = (LmScaling)i;
      return out->factor > 0 || wrong(c, "the positions are scaled by %g", out->factor);
    }
  return wrong(c, "positions are scaled in the way `%s`, which is not known (linear, dynamic, llama3, yarn)", kind);
}

static bool read_act(const Checkpoint *c, LmConfig *out) {
  static const char *const known = "silu swish gelu gelu_new gelu_pytorch_tanh gelu_fast relu";
  static const char *const of[LM_families] = {"silu", "silu", "silu", "gelu_new", "gelu"};
  const char *act = out->gguf ? "" : text(c, false, "hidden_act activation_function");
  out->act = *act ? act : of[out->family];
  return has_word(c->module->arena, known, out->act) || wrong(c, "the activation `%s` is not known (%s)", out->act, known);
}

bool lm_config(Checkpoint *c, bool gguf, LmConfig *out) {
  *out = (LmConfig){.gguf = gguf};
  bool good = gguf ? find_family_of_file(c, out) : find_family_of_folder(c, out);
  for (int i = 0; good && i < N_NUMBERS; i++) good &= read_number(c, i, out);
  if (!good || !check_sizes(c, out)) return false;
  out->tied = !gguf && flag(c, "tie_word_embeddings", out->family == LM_gpt2);
  return read_scaling(c, out) & read_act(c, out);
}

/* ---- tensors ---- */

static const char *role_text(const LmConfig *config, LmRole role) {
  if (config->gguf) return names[role][NAMES_gguf];
  return names[role][config->family == LM_gpt2 ? NAMES_gpt2 : config->family == LM_bert ? NAMES_bert : NAMES_llama];
}

static const char *full_name(Arena *a, const char *prefix, const char *name, int64_t layer, const char *end) {
  const char *number = strstr(name, "%d");
  if (strcmp(prefix, ".") == 0) prefix = "";
  if (!number) return arena_printf(a, "%s%s%s", prefix, name, end);
  return arena_printf(a, "%s%.*s%" PRId64 "%s%s", prefix, (int)(number - name), name, layer, number + 2, end);
}

CheckpointTensor *lm_tensor(const Checkpoint *c, const LmConfig *config, LmRole role, int64_t layer, bool bias) {
  Arena *a = c->module->arena;
  const char *name = role_text(config, role), *prefixes = config->gguf ? "." : families[config->family].prefixes;
  if (!*name) return NULL;
  for (const char *prefix; next_word(a, &prefixes, &prefix);) {
    CheckpointTensor *t = checkpoint_tensor(c, full_name(a, prefix, name, layer, bias ? ".bias" : ".weight"));
    if (!t) t = checkpoint_tensor(c, full_name(a, prefix, name, layer, bias ? ".beta" : ".gamma"));
    if (t) return t;
  }
  return NULL;
}

const char *lm_tensor_name(const Checkpoint *c, const LmConfig *config, LmRole role, int64_t layer) {
  return full_name(c->module->arena, ".", role_text(config, role), layer, ".weight");
}

/* A list says it for each layer; else, all layers have a window, or (Qwen2) those from some layer on if at all. */
bool lm_windowed(const Checkpoint *c, const LmConfig *config, int64_t layer) {
  const Setting *types = checkpoint_setting(c, "layer_types");
  if (config->window <= 0) return false;
  if (types && types->kind == SETTING_LIST && layer < types->n)
    return types->at[layer].kind == SETTING_TEXT && strcmp(types->at[layer].text, "sliding_attention") == 0;
  if (config->family != LM_qwen2) return true;
  return flag(c, "use_sliding_window", false) && (double)layer >= config->first_windowed;
}
