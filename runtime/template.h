/* template.h -- renders a model's chat template: an evaluator for the trees that the compiler makes of Jinja (runtime/template_tree.h).
 *
 * It is bounded in steps, depth, memory and output, and has access to nothing but what it is given. What it puts out is what Python's
 * jinja2 does with the settings of transformers. */
#ifndef LRT_TEMPLATE_H
#define LRT_TEMPLATE_H

#include "runtime/abi.h"
#include "runtime/json.h"

typedef struct Template {
  const uint32_t *at;
  size_t n; /* words */
} Template;

/* The model's fact "chat_template", or "tool_template" for a call with tools where it has one; or such words in memory. False:
 * there is none. */
bool template_open(Template *t, const lrt_model *m, bool tools);
bool template_open_words(Template *t, const uint32_t *at, size_t n);

enum { TEMPLATE_STEPS = 20000000 };

typedef struct TemplateCall {
  Json messages, tools; /* JSON_NULL: none */
  bool add_generation_prompt;
  const JsonMember *more; /* further variables: bos_token, say; one that is called like one above counts in its place */
  uint32_t n_more;
  int64_t local_time; /* microseconds since 1970, as clocks on walls have it: for strftime_now */
} TemplateCall;

typedef struct TemplateError {
  uint32_t line; /* of the template */
  char text[512];
} TemplateError;

/* The model's own variables, from its fact "template_variables": `room` keeps them. False: they are no JSON object. */
bool template_variables(TemplateCall *call, const lrt_model *m, Room *room);
bool template_read_variables(TemplateCall *call, const char *json, size_t n, Room *room);

/* Puts the text into `out`, which is the caller's; all else that is made on the way lies in `room`. False: `why` says why. */
bool template_render(const Template *t, const TemplateCall *call, Room *room, TextRoom *out, TemplateError *why);

/* How far clocks are ahead of UTC, in seconds, by an environment's TZ: UTC-3, <+0530>-5:30. What names rules or files is UTC. */
int64_t template_zone(const char *tz);

#endif
