/* chat_history.c -- what was said in a conversation, and the text that a model reads of it.
 *
 * Each turn, the template renders the whole conversation. As far as its tokens are those that the caches hold already, these stay. */
#include "runtime/chat.h"
#include "runtime/os.h"

enum { KEEP = 16 << 20, WORK = 16 << 20, TEXT = 8 << 20 };

/* ---- messages ---- */

/* NULL: no memory. */
static char *keep_text(Chat *c, const char *at, size_t n) {
  char *copy = n < UINT32_MAX ? room_take(&c->keep, n ? n : 1) : NULL;
  if (copy && n) __builtin_memcpy(copy, at, n);
  return copy;
}

static bool add_message(Chat *c, const char *role, const char *at, size_t n) {
  char *copy = c->n < c->most ? keep_text(c, at, n) : NULL;
  JsonMember *member = copy ? room_take(&c->keep, 2 * sizeof *member) : NULL;
  if (!member) return false;
  member[0] = (JsonMember){json_text("role", 4), json_text(role, text_length(role))};
  member[1] = (JsonMember){json_text("content", 7), json_text(copy, n)};
  JsonObject *object = json_object_of(&c->keep, member, 2);
  if (!object) return false;
  c->message[c->n++] = (Json){.kind = JSON_OBJECT, .object = object};
  return true;
}

void chat_clear(Chat *c) {
  c->n = c->first;
  c->keep.used = c->begin;
}

/* ---- opening ---- */

static int read_tools(Chat *c, const Program *p) {
  const char *path = p->args.at[ARG_tools].word;
  Prompt file;
  JsonError why = {0};
  int status = prompt_file(p, path, &file);
  if (status != DONE) return status;
  char *copy = keep_text(c, file.text, file.n);
  if (!copy) status = complain(p, NO_RESOURCE, "%s: there is no memory for %d bytes of tools", path, (int64_t)file.n);
  else if (!json_read(copy, file.n, &c->keep, &c->call.tools, &why)) status = complain(p, BAD_INPUT, "%s: byte %d: %s", path, (int64_t)why.offset, why.what);
  prompt_release(&file);
  return status;
}

static bool get_memory(Chat *c, int64_t messages) {
  char *all = os_memory(KEEP + WORK + TEXT);
  c->most = messages;
  c->message = os_memory((size_t)messages * sizeof *c->message);
  if (!all || !c->message) return false;
  c->keep = room_of(all, KEEP);
  c->work = room_of(all + KEEP, WORK);
  c->text = (TextRoom){.at = all + KEEP + WORK, .size = TEXT};
  return true;
}

static int read_beginning(Chat *c, const Program *p) {
  const char *sys = p->args.at[ARG_sys].word;
  if (!template_variables(&c->call, p->model, &c->keep)) return complain(p, BAD_INPUT, "what the chat template knows of the model is damaged");
  c->call.add_generation_prompt = true;
  int status = p->args.at[ARG_tools].given ? read_tools(c, p) : DONE;
  if (status == DONE && sys && !add_message(c, "system", sys, text_length(sys))) status = complain(p, NO_RESOURCE, "-sys: there is no memory for so long a text");
  c->first = c->n;
  c->begin = c->keep.used;
  return status;
}

int chat_open(Chat *c, Language *l) {
  const Program *p = l->program;
  const Argument *at = p->args.at;
  *c = (Chat){0};
  c->has_template = template_open(&c->template, p->model, at[ARG_tools].given);
  if (!c->has_template && (at[ARG_sys].given || at[ARG_tools].given))
    return complain(p, BAD_INPUT, "%s: this model has no chat template to say it by", at[ARG_sys].given ? "-sys" : "--tools");
  if (!c->has_template) return DONE;
  if (!get_memory(c, l->generator.context + 2)) return complain(p, NO_RESOURCE, "there is no memory for a conversation");
  return read_beginning(c, p);
}

void chat_close(Chat *c) {
  os_release(c->keep.at, KEEP + WORK + TEXT);
  os_release(c->message, (size_t)c->most * sizeof *c->message);
  *c = (Chat){0};
}

/* ---- what the model reads ---- */

static const char too_long[] = "this does not fit the context any more, and nothing was cut away: /clear begins anew";
static const char no_memory[] = "there is no memory for so long a conversation";

/* The generator's text becomes these tokens. */
static const char *become(Generator *g, const TokenList *list) {
  int64_t same = 0;
  if (list->n > g->context) return too_long;
  while (same < list->n && same < g->n && list->at[same] == g->token[same]) same++;
  if (!generator_rewind(g, same) || !generator_add(g, list->at + same, list->n - same)) return g->why.text;
  return g->n ? NULL : "the chat template gives nothing";
}

static const char *render(Chat *c, Language *l) {
  Program *p = l->program;
  enum { SECOND = 1000000 };
  TemplateError *why = (c->work.used = 0, room_take(&c->work, sizeof *why));
  TokenList list = {0};
  c->text.n = 0;
  c->text.full = false;
  c->call.messages = (Json){.kind = JSON_LIST, .n = c->n, .at = c->message};
  c->call.local_time = os_date() + p->zone * SECOND;
  if (!template_render(&c->template, &c->call, &c->work, &c->text, why)) {
    text_format(l->generator.why.text, sizeof l->generator.why.text, "line %d of the chat template: %s", (int64_t)why->line, why->text);
    return l->generator.why.text;
  }
  const char *wrong = NULL;
  if (c->text.full || !tokenizer_encode(&l->tokenizer, c->text.at, c->text.n, TOKENIZER_SIGNS, &list)) wrong = no_memory;
  else wrong = become(&l->generator, &list);
  token_list_release(&list);
  return wrong;
}

/* Without a template: it is put behind the text. */
static const char *go_on(Language *l, const char *at, size_t n) {
  Generator *g = &l->generator;
  TokenList list = {0};
  const char *why = NULL;
  if (!tokenizer_encode(&l->tokenizer, at, n, g->n ? 0 : TOKENIZER_ADD, &list)) why = no_memory;
  else if (!generator_add(g, list.at, list.n)) why = too_long;
  token_list_release(&list);
  return why;
}

const char *chat_said(Chat *c, Language *l, const char *at, size_t n) {
  if (!c->has_template) return go_on(l, at, n);
  size_t used = c->keep.used;
  uint32_t before = c->n;
  const char *why = add_message(c, "user", at, n) ? render(c, l) : no_memory;
  if (why) c->n = before, c->keep.used = used;
  return why;
}

static void to_text(void *context, const char *at, size_t n) { room_bytes(context, at, n); }

bool chat_replied(Chat *c, Language *l, int64_t begin) {
  TokenizerDecode d;
  const Generator *g = &l->generator;
  if (!c->has_template) return true;
  c->text.n = 0;
  c->text.full = false;
  tokenizer_decode_start(&d, &l->tokenizer, false, false);
  for (int64_t i = begin; i < g->n; i++) tokenizer_decode(&d, g->token[i], to_text, &c->text);
  tokenizer_decode_end(&d, to_text, &c->text);
  return !c->text.full && add_message(c, "assistant", c->text.at, c->text.n);
}
