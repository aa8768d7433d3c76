/* onnx_folder.c -- folders of ONNX models, as optimum and the builder of ONNX Runtime's GenAI write them.
 *
 * The graph lies in the folder or in `onnx/` below it; genai_config.json, config.json and generation_config.json say what else there is
 * to know. All of them may be missing. */
#include "frontend/onnx_folder.h"

#include <sys/stat.h>
#include <unistd.h>

#include "frontend/lm.h"

static const char *inside(Arena *a, const char *folder, const char *name) { return arena_printf(a, "%s/%s", folder, name); }

static bool has(Arena *a, const char *folder, const char *name) { return access(inside(a, folder, name), R_OK) == 0; }

/* ---- settings ---- */

/* A file of settings, empty where there is none or it cannot be read: what it would say is then unknown. */
static Checkpoint settings(Module *m, const char *folder, const char *name) {
  Checkpoint c = {.module = m, .path = folder};
  if (has(m->arena, folder, name)) settings_read_json(&c, inside(m->arena, folder, name));
  return c;
}

static const char *folder_of(Arena *a, const char *graph) {
  const char *slash = strrchr(graph, '/');
  return slash ? arena_string(a, graph, (size_t)(slash - graph)) : ".";
}

/* Where the settings lie: beside the graph, or above its folder `onnx`. */
static const char *settings_folder(Arena *a, const char *graph) {
  const char *folder = folder_of(a, graph), *last = strrchr(folder, '/');
  bool below = strcmp(last ? last + 1 : folder, "onnx") == 0;
  if (has(a, folder, "config.json") || has(a, folder, "genai_config.json") || !below) return folder;
  return last ? folder_of(a, folder) : ".";
}

/* ---- the graph ---- */

/* A file's name without a path: nothing outside of the folder is read. */
static const char *named_graph(Arena *a, Diag *d, const char *folder) {
  Checkpoint c = settings(module_new(a, d), folder, "genai_config.json");
  const Setting *s = checkpoint_setting(&c, "model.decoder.filename");
  bool good = s && s->kind == SETTING_TEXT && s->n > 0 && !strchr(s->text, '/') && has(a, folder, s->text);
  return good ? inside(a, folder, s->text) : NULL;
}

const char *onnx_in_folder(Arena *a, Diag *d, const char *path) {
  static const char *const names[] = {"model.onnx", "decoder_model_merged.onnx", "decoder_model.onnx", "decoder_with_past_model.onnx"};
  enum { N = sizeof names / sizeof *names };
  struct stat st;
  if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode)) return NULL;
  const char *named = has(a, path, "genai_config.json") ? named_graph(a, d, path) : NULL;
  if (named) return named;
  for (int i = 0; i < N; i++)
    if (has(a, path, names[i])) return inside(a, path, names[i]);
  if (has(a, path, "model.safetensors") || has(a, path, "model.safetensors.index.json")) return NULL;
  for (int i = 0; i < N; i++)
    if (has(a, inside(a, path, "onnx"), names[i])) return inside(a, inside(a, path, "onnx"), names[i]);
  return NULL;
}

/* ---- facts ---- */

static int64_t number(const Checkpoint *c, const char *key) {
  const Setting *s = checkpoint_setting(c, key);
  return s && s->kind == SETTING_INT && s->i > 0 ? s->i : 0;
}

int64_t onnx_folder_context(Arena *a, Diag *d, const char *graph) {
  static const char *const keys[] = {"max_position_embeddings", "n_positions", "n_ctx"};
  Module *m = module_new(a, d);
  const char *folder = settings_folder(a, graph);
  Checkpoint genai = settings(m, folder, "genai_config.json"), config = settings(m, folder, "config.json");
  int64_t n = number(&genai, "model.context_length");
  for (size_t i = 0; n == 0 && i < sizeof keys / sizeof *keys; i++) n = number(&config, keys[i]);
  return n;
}

/* The newest word counts: how the model is run, then how it was made. */
static void add_tokens(Checkpoint *files, Model *model, const char *fact, const char *key, int64_t words) {
  Module *m = files->module;
  const Setting *s = checkpoint_setting(&files[0], arena_printf(m->arena, "model.%s", key));
  for (int i = 1; !s && i < 3; i++) s = checkpoint_setting(&files[i], key);
  if (s) lm_add_tokens(files, model, fact, s, words);
}

bool onnx_add_folder_facts(Module *m, const char *graph) {
  const char *folder = settings_folder(m->arena, graph);
  Checkpoint files[] = {settings(m, folder, "genai_config.json"), settings(m, folder, "generation_config.json"), settings(m, folder, "config.json")};
  if (!files[0].settings.n && !files[2].settings.n) return true;
  int64_t words = number(&files[2], "vocab_size");
  if (!words) words = number(&files[0], "model.vocab_size");
  add_tokens(files, m->models.at[0], "bos", "bos_token_id", words ? words : INT64_MAX);
  add_tokens(files, m->models.at[0], "eos", "eos_token_id", words ? words : INT64_MAX);
  return lm_add_tokenizer(&files[2], &(LmConfig){.gguf = false}, m->models.at[0]);
}
