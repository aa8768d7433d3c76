/* fuzz_template.c -- a fuzz target: any bytes are a template or an error; what a template does ends; and a damaged tree is an error
 * or does something else, and no more. */
#include <stdlib.h>
#include <string.h>

#include "frontend/templates.h"
#include "ir/fatal.h"
#include "mutate.h"
#include "runtime/template.h"

enum { MEMORY = 1 << 20, TEXT = 1 << 16 };

static const char conversation[] = "[{\"role\": \"user\", \"content\": \"a <b> \xc3\xa9\", \"n\": [1, 2.5, null, {\"k\": true}]}, {\"role\": \"x\"}]";

static void render(const uint32_t *at, size_t n, char *memory, char *text) {
  Room room = room_of(memory, MEMORY);
  TextRoom out = {.at = text, .size = TEXT};
  TemplateError why = {0};
  TemplateCall call = {.add_generation_prompt = true};
  JsonError wrong;
  Template t;
  ensure(json_read(conversation, sizeof conversation - 1, &room, &call.messages, &wrong));
  if (!template_open_words(&t, at, n)) return;
  if (!template_render(&t, &call, &room, &out, &why)) ensure(why.text[0]);
  ensure(out.n <= TEXT);
}

/* A word is changed, as the template's own bytes say. */
static void damage(TemplateWords *words, const uint8_t *data, size_t size) {
  uint32_t h = 2166136261u;
  for (size_t i = 0; i < size; i++) h = (h ^ data[i]) * 16777619u;
  for (int i = 0; i < 3; i++, h = h * 1664525u + 1013904223u) words->at[6 + h % (uint32_t)(words->n - 6)] ^= 1u << (h >> 27);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  Arena *a = arena_new();
  Diag *d = diag_new(a);
  TemplateWords words = {0};
  char *memory = malloc(MEMORY), *text = malloc(TEXT);
  ensure(memory && text);
  if (template_compile(a, d, "t", (const char *)data, size, &words)) {
    render(words.at, (size_t)words.n, memory, text);
    damage(&words, data, size);
    render(words.at, (size_t)words.n, memory, text);
  } else ensure(diag_errors(d) > 0);
  free(memory);
  free(text);
  arena_free(a);
  return 0;
}

void fuzz_mutate(Input *in, const Input *other, Random *r) { mutate(in, other, r); }
