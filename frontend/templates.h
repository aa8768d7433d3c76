/* templates.h -- chat templates, as models come with them, become trees that programs walk over (runtime/template.h). */
#ifndef LATHE_TEMPLATES_H
#define LATHE_TEMPLATES_H

#include "frontend/checkpoint.h"

typedef VEC(uint32_t) TemplateWords;

/* The template's tree; false after a diag_error, which names the line. */
bool template_compile(Arena *a, Diag *d, const char *file, const char *text, size_t n, TemplateWords *out);

/* Which templates a model has; those of `at` NULL are none. */
typedef struct TemplateSource {
  const char *file, *text; /* for messages, and as it is written */
  size_t n;
} TemplateSource;

typedef struct Templates {
  TemplateSource chat, tools; /* tools: where there are two, the one for when there are tools */
  const char *variables;      /* JSON: bos_token and others that templates read */
} Templates;

/* Of a .jinja file, a model folder or a GGUF file. False after a diag_error; a model without any is none. */
bool templates_load(Arena *a, Diag *d, const char *path, Templates *out);
/* Of a model whose settings have been read. */
bool templates_of(const Checkpoint *c, bool gguf, Templates *out);

#endif
