/* prompt.c -- what a text begins with: words or tokens of the command line, a file, or the standard input. */
#include "runtime/language.h"
#include "runtime/os.h"

/* ---- files ---- */

enum { PIECE = 1 << 16 };

static bool grow(Prompt *p) {
  size_t room = p->room ? 2 * p->room : PIECE;
  char *more = room > p->room ? os_memory(room) : NULL;
  if (!more) return false;
  if (p->n) __builtin_memcpy(more, p->text, p->n);
  prompt_release(p);
  p->text = more;
  p->room = room;
  return true;
}

void prompt_release(Prompt *p) {
  if (p->room) os_release((void *)(uintptr_t)p->text, p->room);
  p->room = 0;
}

/* Its size is known when it ends: it may be a pipe. */
static int read_all(const Program *p, const char *path, int64_t file, Prompt *out) {
  for (int64_t got = 1; got > 0; out->n += (size_t)got) {
    if (out->n == out->room && !grow(out)) return complain(p, NO_RESOURCE, "%s: there is no memory for more than %d bytes of it", path, (int64_t)out->n);
    got = os_read(file, (char *)(uintptr_t)out->text + out->n, out->room - out->n);
    if (got < 0) return complain(p, BAD_INPUT, "%s: it cannot be read (error %d)", path, -got);
  }
  return DONE;
}

int prompt_file(const Program *p, const char *path, Prompt *out) {
  *out = (Prompt){0};
  if (text_same(path, "-")) return read_all(p, "standard input", 0, out);
  int64_t file = os_open(path);
  if (file < 0) return complain(p, BAD_INPUT, file == -2 ? "%s: there is no such file" : "%s: it cannot be opened (error %d)", path, -file);
  int status = read_all(p, path, file, out);
  os_close(file);
  return status;
}

int prompt_read(const Program *p, Prompt *out) {
  const Argument *text = &p->args.at[ARG_prompt], *file = &p->args.at[ARG_file];
  if (text->given && file->given) return complain(p, BAD_USAGE, "--prompt `%s` and --file `%s`: one of them is the prompt", text->word, file->word);
  if (file->given) return prompt_file(p, file->word, out);
  *out = (Prompt){.text = text->given ? text->word : ""};
  out->n = text_length(out->text);
  return DONE;
}

/* ---- tokens ---- */

static bool append(TokenList *list, int64_t token) {
  if (list->n == list->room) {
    int64_t room = list->room ? 2 * list->room : 1024;
    int32_t *more = os_memory((size_t)room * sizeof *more);
    if (!more) return false;
    for (int64_t i = 0; i < list->n; i++) more[i] = list->at[i];
    token_list_release(list);
    list->at = more;
    list->room = room;
  }
  list->at[list->n++] = (int32_t)token;
  return true;
}

static int read_ids(const Language *l, const char *ids, TokenList *out) {
  const Program *p = l->program;
  int64_t words = l->has_words ? tokenizer_count(&l->tokenizer) : INT32_MAX, id;
  for (const char *at = ids; *at; at += *at == ',') {
    const char *end = text_number(at, &id);
    if (!end || (*end && *end != ',')) return complain(p, BAD_INPUT, "--ids takes tokens with commas between, and not `%s`", ids);
    if (id >= words) return complain(p, BAD_INPUT, "--ids: there is no token %d: the model has %d", id, words);
    if (!append(out, id)) return complain(p, NO_RESOURCE, "there is no memory for more than %d tokens", out->n);
    at = end;
  }
  return DONE;
}

/* A text begins with what the tokenizer adds, or at least with the model's own beginning. */
static int read_words(const Language *l, bool begins, TokenList *out) {
  const Program *p = l->program;
  Prompt prompt;
  int status = prompt_read(p, &prompt);
  if (status != DONE) return status;
  if (!tokenizer_encode(&l->tokenizer, prompt.text, prompt.n, (begins ? TOKENIZER_ADD : 0) | TOKENIZER_SIGNS, out))
    status = complain(p, NO_RESOURCE, "there is no memory for the tokens of a prompt of %d bytes", (int64_t)prompt.n);
  prompt_release(&prompt);
  if (status == DONE && begins && out->n == 0 && l->bos >= 0 && !append(out, l->bos)) status = complain(p, NO_RESOURCE, "no memory");
  return status;
}

int prompt_tokens(const Language *l, bool begins, TokenList *out) {
  const Argument *at = l->program->args.at;
  *out = (TokenList){0};
  if (at[ARG_ids].given && (at[ARG_prompt].given || at[ARG_file].given))
    return complain(l->program, BAD_USAGE, "--ids and a text: one of them is the prompt");
  if (at[ARG_ids].given) return read_ids(l, at[ARG_ids].word, out);
  if (!l->has_words) return complain(l->program, BAD_INPUT, "this program has no vocabulary: give the prompt as tokens, --ids 1,2,3");
  return read_words(l, begins, out);
}
