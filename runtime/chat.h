/* chat.h -- what was said in a conversation, and the text that a model reads of it. */
#ifndef LRT_CHAT_H
#define LRT_CHAT_H

#include "runtime/language.h"
#include "runtime/template.h"

typedef struct Chat {
  bool has_template;
  Template template;
  TemplateCall call;
  Room keep, work; /* what was said; what a rendering needs */
  TextRoom text;   /* as it is rendered */
  Json *message;   /* [most] */
  int64_t most;
  size_t begin;    /* of `keep`, where what was said begins */
  uint32_t n, first; /* messages; those that are there before anybody says something */
} Chat;

int chat_open(Chat *c, Language *l);
void chat_close(Chat *c);
/* Somebody says something: the generator's text goes on with it, up to where the model is to reply. NULL; or why not, and all is as it was. */
const char *chat_said(Chat *c, Language *l, const char *at, size_t n);
/* The generator's text from `begin` on was the reply; false: no memory. */
bool chat_replied(Chat *c, Language *l, int64_t begin);
void chat_clear(Chat *c);

#endif
