/* cmd_template.c -- `lathe template`: renders a chat template alone, by the code that programs hold. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "frontend/driver.h"
#include "frontend/templates.h"
#include "ir/fatal.h"
#include "runtime/template.h"

enum { MEMORY = 256 << 20, TEXT = 64 << 20, MAX_JSON = 64 << 20 };

/* NULL after a diag_error. */
static char *read_file(Driver *d, const char *path, size_t *n) {
  FILE *f = fopen(path, "rb");
  struct stat st = {0};
  bool good = f && fstat(fileno(f), &st) == 0 && S_ISREG(st.st_mode) && st.st_size <= MAX_JSON;
  char *at = good ? arena_alloc(d->arena, (size_t)st.st_size + 1) : NULL;
  if (!f) diag_error(d->diag, (Loc){.file = path}, "cannot open: %s", strerror(errno));
  else if (!good) diag_error(d->diag, (Loc){.file = path}, "this is no file of at most %d bytes", MAX_JSON);
  if (at) *n = fread(at, 1, (size_t)st.st_size, f);
  if (f) fclose(f);
  return at;
}

static bool read_json(Driver *d, const char *option, Room *room, Json *out) {
  const char *path = option_value(&d->options, option);
  JsonError why;
  size_t n;
  char *text = path ? read_file(d, path, &n) : NULL;
  if (!path) return true;
  if (!text) return false;
  if (!json_read(text, n, room, out, &why)) return diag_error(d->diag, (Loc){.file = path}, "at byte %zu: %s", why.offset, why.what);
  return out->kind == JSON_LIST || diag_error(d->diag, (Loc){.file = path}, "--%s takes a JSON list", option);
}

static bool render(Driver *d, const TemplateSource *s, const TemplateCall *call, Room *room) {
  TemplateWords words = {0};
  Template t;
  TemplateError why = {0};
  TextRoom out = {.at = malloc(TEXT), .size = TEXT};
  if (!template_compile(d->arena, d->diag, s->file, s->text, s->n, &words)) return false;
  if (!out.at) fatal_resource("there is no memory for %d bytes of text", TEXT);
  ensure(template_open_words(&t, words.at, (size_t)words.n));
  bool good = template_render(&t, call, room, &out, &why);
  if (good) fwrite(out.at, 1, out.n, stdout);
  else diag_error(d->diag, (Loc){.file = s->file, .line = (int)why.line}, "%s", why.text);
  free(out.at);
  return good;
}

static int64_t local_time(void) {
  struct timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  return t.tv_sec * 1000000 + t.tv_nsec / 1000 + template_zone(getenv("TZ")) * 1000000;
}

int command_template(Driver *d) {
  const char *path = d->options.positional.at[0];
  Templates all;
  TemplateCall call = {.local_time = local_time(), .add_generation_prompt = !option_given(&d->options, "no-generation-prompt")};
  if (!option_value(&d->options, "messages")) return diag_misuse(d->diag, "`lathe template` wants a conversation: --messages FILE"), EXIT_USAGE;
  void *memory = malloc(MEMORY);
  if (!memory) fatal_resource("there is no memory for %d bytes", MEMORY);
  Room room = room_of(memory, MEMORY);
  bool good = templates_load(d->arena, d->diag, path, &all) && read_json(d, "messages", &room, &call.messages) && read_json(d, "tools", &room, &call.tools);
  if (good && !all.chat.text) good = diag_error(d->diag, (Loc){.file = path}, "the model has no chat template");
  if (good) ensure(template_read_variables(&call, all.variables, strlen(all.variables), &room));
  if (good) good = render(d, call.tools.kind != JSON_NULL && all.tools.text ? &all.tools : &all.chat, &call, &room);
  free(memory);
  return good ? EXIT_OK : EXIT_INPUT;
}
