/* chat.c -- a conversation: what is typed, line by line, and what the model replies.
 *
 * The terminal itself edits lines. Ctrl-C stops a reply; at the prompt it ends the conversation if it comes twice, or after a
 * reply that it stopped. A model without a chat template just goes on with the text, what is typed included. */
#include "runtime/chat.h"

#include "runtime/os.h"

typedef struct Line {
  char *at;
  size_t n, room;
  size_t next, end; /* of what was read beyond the line */
  char ahead[4096];
} Line;

typedef struct Talk {
  Language *l;
  Chat chat;
  Line line;
  bool asks;      /* somebody sits there */
  bool stopped;   /* Ctrl-C was the last that came */
} Talk;

/* ---- lines ---- */

static bool put_byte(Line *line, char c) {
  if (line->n == line->room) {
    size_t room = line->room ? 2 * line->room : 4096;
    char *more = os_memory(room);
    if (!more) return false;
    if (line->n) __builtin_memcpy(more, line->at, line->n);
    os_release(line->at, line->room);
    line->at = more;
    line->room = room;
  }
  line->at[line->n++] = c;
  return true;
}

typedef enum Came { CAME_LINE, CAME_END, CAME_INTERRUPT, CAME_ERROR } Came;

/* The next byte of the standard input. */
static Came next_byte(Talk *t, char *c) {
  Line *line = &t->line;
  if (line->next == line->end) {
    int64_t got = os_read_some(0, t->l->interrupts, line->ahead, sizeof line->ahead);
    if (got == OS_INTERRUPTED) return CAME_INTERRUPT;
    if (got <= 0) return CAME_END;
    line->next = 0;
    line->end = (size_t)got;
  }
  *c = line->ahead[line->next++];
  return CAME_LINE;
}

static void ask(const Talk *t, const char *sign) {
  if (t->asks) text_say(2, "%s", sign);
}

/* A line, or several: a backslash at the end of one goes on in the next. */
static Came read_line(Talk *t) {
  Line *line = &t->line;
  char c;
  line->n = 0;
  ask(t, "> ");
  for (;;) {
    Came came = next_byte(t, &c);
    if (came == CAME_END && line->n) return CAME_LINE;
    if (came != CAME_LINE) return came;
    if (c == '\n' && line->n && line->at[line->n - 1] == '\\') line->at[line->n - 1] = '\n', ask(t, ". ");
    else if (c == '\n') return CAME_LINE;
    else if (!put_byte(line, c)) return CAME_ERROR;
  }
}

/* ---- turns ---- */

static int reply(Talk *t) {
  Generator *g = &t->l->generator;
  Reply r;
  int64_t begin = g->n;
  int status = reply_make(t->l, &r);
  if (status != DONE) return status;
  t->stopped = text_same(r.reason, "interrupted");
  if (t->stopped && t->asks) text_say(2, "(stopped)\n");
  return chat_replied(&t->chat, t->l, begin) ? DONE : complain(t->l->program, NO_RESOURCE, "there is no memory for a longer conversation");
}

/* A turn that does not fit is not taken, and the conversation stays as it was. */
static int turn(Talk *t) {
  Language *l = t->l;
  const char *why = chat_said(&t->chat, l, t->line.at, t->line.n);
  if (!why) return reply(t);
  text_say(2, "%s: %s\n", l->program->name, why);
  return t->asks ? DONE : BAD_INPUT;
}

static bool is_command(const Line *line, const char *word) {
  return line->n == text_length(word) && text_begins(line->n ? line->at : "", word);
}

static int take_line(Talk *t, bool *ends) {
  Line *line = &t->line;
  if (!put_byte(line, 0)) return complain(t->l->program, NO_RESOURCE, "there is no memory for a longer line");
  line->n--;
  t->stopped = false;
  if (line->n == 0) return DONE;
  if (is_command(line, "/exit")) return *ends = true, DONE;
  if (!is_command(line, "/clear")) return turn(t);
  chat_clear(&t->chat);
  return generator_rewind(&t->l->generator, 0) ? DONE : generator_failed(t->l);
}

static bool interrupt(Talk *t) {
  text_say(2, "\n");
  if (t->stopped) return true;
  t->stopped = true;
  text_say(2, "(Ctrl-C again, or Ctrl-D, ends this)\n");
  return false;
}

/* What -p or -f say is said first. */
static int say_first(Talk *t) {
  const Argument *at = t->l->program->args.at;
  Prompt prompt;
  if (!at[ARG_prompt].given && !at[ARG_file].given) return DONE;
  int status = prompt_read(t->l->program, &prompt);
  for (size_t i = 0; i < prompt.n && status == DONE; i++)
    if (!put_byte(&t->line, prompt.text[i])) status = complain(t->l->program, NO_RESOURCE, "there is no memory for the prompt");
  prompt_release(&prompt);
  return status == DONE && t->line.n ? turn(t) : status;
}

static int talk(Talk *t) {
  int status = say_first(t);
  bool ends = false;
  while (status == DONE && !ends) {
    switch (read_line(t)) {
    case CAME_LINE: status = take_line(t, &ends); break;
    case CAME_INTERRUPT: ends = interrupt(t); break;
    case CAME_END: ask(t, "\n"), ends = true; break;
    case CAME_ERROR: status = complain(t->l->program, NO_RESOURCE, "there is no memory for a longer line"); break;
    }
  }
  return status;
}

int language_chat(Language *l) {
  const Argument *at = l->program->args.at;
  Talk t = {.l = l, .asks = os_is_terminal(0)};
  if (!l->has_words) return complain(l->program, BAD_INPUT, "-i: this program has no vocabulary");
  if (at[ARG_ids].given) return complain(l->program, BAD_USAGE, "-i and --ids: a conversation has no tokens for its prompt");
  int status = at[ARG_load_state].given ? state_load(l, at[ARG_load_state].word) : DONE;
  if (status == DONE) status = chat_open(&t.chat, l);
  if (status != DONE) return status;
  if (t.asks) text_say(2, "%s: Ctrl-C stops a reply, Ctrl-D ends, /clear forgets, a backslash at a line's end goes on in the next\n", l->program->model->name);
  status = talk(&t);
  os_release(t.line.at, t.line.room);
  chat_close(&t.chat);
  if (status == DONE && at[ARG_save_state].given) status = state_save(l, at[ARG_save_state].word);
  return status;
}
