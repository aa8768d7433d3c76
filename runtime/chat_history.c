/* chat_history.c -- what was said in a conversation, and the text that a model reads of it. */
#include "runtime/chat.h"
#include "runtime/os.h"

int chat_open(Chat *c, Language *l) {
  *c = (Chat){0};
  if (l->program->args.at[ARG_sys].given) return complain(l->program, BAD_INPUT, "-sys: this model has no chat template to say it by");
  return DONE;
}

/* What does not fit is taken back. */
static const char *add_text(Language *l, const char *at, size_t n, bool begins) {
  Generator *g = &l->generator;
  TokenList list = {0};
  const char *why = NULL;
  if (!tokenizer_encode(&l->tokenizer, at, n, begins ? TOKENIZER_ADD : 0, &list)) why = "there is no memory for its tokens";
  else if (!generator_add(g, list.at, list.n)) why = "this does not fit the context any more: /clear begins anew";
  token_list_release(&list);
  return why;
}

const char *chat_said(Chat *c, Language *l, const char *at, size_t n) {
  (void)c;
  return add_text(l, at, n, l->generator.n == 0);
}

bool chat_replied(Chat *c, Language *l, int64_t begin) { return (void)c, (void)l, (void)begin, true; }

void chat_clear(Chat *c) { (void)c; }
