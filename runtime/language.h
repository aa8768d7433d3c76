/* language.h -- what a program does with a language model, each part in a file of its own. */
#ifndef LRT_LANGUAGE_H
#define LRT_LANGUAGE_H

#include "runtime/generator.h"
#include "runtime/running.h"
#include "runtime/sampler.h"
#include "runtime/stops.h"
#include "runtime/tokenizer.h"

typedef struct Language {
  Program *program;
  Generator generator;
  Sampler sampler;
  Tokenizer tokenizer;
  bool has_words;
  int64_t bos;        /* or -1 */
  int64_t interrupts; /* or below 0 */
} Language;

int generator_failed(const Language *l);
/* Is it a token that ends a text? */
bool language_ends(const Language *l, int64_t token);

/* ---- prompt.c: what the text begins with ---- */

typedef struct Prompt {
  const char *text;
  size_t n, room; /* room: of memory for it; 0: it is somebody else's */
} Prompt;

/* A file's bytes, or those of the standard input for `-`. */
int prompt_file(const Program *p, const char *path, Prompt *out);
/* What -p and -f say; both may be missing. */
int prompt_read(const Program *p, Prompt *out);
void prompt_release(Prompt *p);
/* The tokens of the command line: those of --ids, or of the text. `begins`: nothing is before it. */
int prompt_tokens(const Language *l, bool begins, TokenList *out);

/* ---- reply.c: what comes next ---- */

typedef struct Reply {
  const char *reason; /* why it ended: "end", "stop", "length", "context", "interrupted" */
  int64_t prompt, made;
  int64_t prompt_ns, made_ns;
} Reply;

/* Goes on with the generator's text, and writes it as is asked for. */
int reply_make(Language *l, Reply *r);

/* ---- what is asked for ---- */

int language_speak(Language *l);      /* a reply; or tokens, or their text */
int language_perplexity(Language *l);
int language_bench(Language *l);
int language_chat(Language *l);
int state_save(Language *l, const char *path);
int state_load(Language *l, const char *path);

/* All of it: opens what these need. */
int language_run(Program *p);
/* Vectors of texts, by an encoder with a tokenizer. */
bool encode_can(const lrt_model *m, const lrt_program *p);
int encode_run(Program *p);

/* A text in quotes, for JSON; half characters are replaced. */
void put_json(TextOut *out, const char *at, size_t n);
void put_real(TextOut *out, double v); /* so that it is read back as it is */

#endif
