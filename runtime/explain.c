/* explain.c -- what a program says of itself: --help and --info. */
#include "runtime/array.h"
#include "runtime/facts.h"
#include "runtime/language.h"
#include "runtime/size.h"

/* A size as it was written: a number, a symbol, or else an expression that is not spelled out. */
static void print_dim(const Program *p, int64_t at) {
  const int64_t *words = p->data->words;
  int64_t symbol = size_symbol(words, at);
  if (symbol >= 0) text_put(p->out, "%s", p->data->symbol[symbol].name);
  else if ((words[at] & 15) == LRT_NUMBER && words[at + 1] == LRT_END) text_put(p->out, "%d", words[at] >> 4);
  else text_put(p->out, "...");
}

static void print_port(const Program *p, const char *start, const lrt_port *port) {
  text_put(p->out, "%s%s: %s[", start, port->name, array_dtype_name(port->dtype));
  for (int64_t i = 0; i < port->rank; i++) {
    if (i) text_put(p->out, ",");
    print_dim(p, port->dim[i]);
  }
  text_put(p->out, "]\n");
}

static void print_ports(const Program *p) {
  const lrt_program *d = p->data;
  text_put(p->out, "inputs:\n");
  for (int64_t i = 0; i < d->n_inputs; i++) print_port(p, "  ", &d->input[i]);
  text_put(p->out, "outputs:\n");
  for (int64_t i = 0; i < d->n_outputs; i++) print_port(p, "  ", &d->output[i]);
  for (int64_t i = 0; i < d->n_symbols; i++) {
    text_put(p->out, "%s  %s", i ? "" : "sizes:\n", d->symbol[i].name);
    if (d->symbol[i].capacity >= 0) text_put(p->out, ", %d at most", d->symbol[i].capacity);
    text_put(p->out, "\n");
  }
}

/* What a language model keeps, and how much of it. */
static void print_language(const Program *p) {
  int64_t caches = 0, bytes;
  Tokenizer t;
  for (int64_t i = 0; i < p->data->n_parts; i++)
    if (size_value(p->data->words, p->data->part[i].bytes, NULL, &bytes)) caches += bytes;
  if (p->args.kind == PROGRAM_LANGUAGE)
    text_put(p->out, "context: %d positions, %d sequences, %d bytes of caches\n", fact_number(p->model, "context", 0), fact_number(p->model, "sequences", 1), caches);
  if (tokenizer_open(&t, p->model)) text_put(p->out, "words:   %d tokens\n", tokenizer_count(&t));
}

/* A level's programs, one a type of caches, are together. */
static void print_levels(const Program *p) {
  const lrt_program *level = p->model->level;
  int64_t kinds = 1;
  while (kinds < p->model->n_levels && text_same(level[kinds].level, level[0].level)) kinds++;
  text_put(p->out, "levels: ");
  for (int64_t i = 0; i < p->model->n_levels; i += kinds) text_put(p->out, " %s", level[i].level);
  text_put(p->out, level[0].kv[0] ? "\ncaches: " : "");
  for (int64_t i = 0; i < kinds && level[0].kv[0]; i++) text_put(p->out, " %s", level[i].kv);
  text_put(p->out, "\n");
}

int print_info(const Program *p) {
  text_put(p->out, "model:   %s\nmade by: %s\n", p->model->name, p->model->made_by);
  print_levels(p);
  text_put(p->out, "weights: %d bytes\nsteps:   %d\n", p->model->weights_size, p->data->n_steps);
  print_language(p);
  print_ports(p);
  return DONE;
}

/* ---- help ---- */

static void begin_language(const Program *p) {
  const char *is = p->name;
  text_put(p->out, "%s goes on with texts, by the language model `%s`.\n\n", is, p->model->name);
  text_put(p->out, "  %s -p \"Once upon a time\" -n 200    go on with a text\n", is);
  text_put(p->out, "  %s -i                              talk\n", is);
  text_put(p->out, "  %s -p TEXT --temp 0 --json         the likeliest text, as an object for programs\n", is);
  text_put(p->out, "  %s --bench                         measure\n", is);
}

static void begin_encoder(const Program *p) {
  text_put(p->out, "%s makes vectors of texts, by the model `%s`: one for each line, on a line of its own.\n\n", p->name, p->model->name);
  text_put(p->out, "  echo \"a sentence\" | %s\n  %s -f sentences.txt --json\n", p->name, p->name);
}

static void begin_arrays(const Program *p) {
  text_put(p->out, "%s runs the model `%s` on NumPy arrays.\n\nusage: %s", p->name, p->model->name, p->name);
  for (int64_t i = 0; i < p->data->n_inputs; i++) text_put(p->out, " --in %s=FILE.npy", p->data->input[i].name);
  text_put(p->out, " --out-dir FOLDER\n\n");
  print_ports(p);
}

int print_help(const Program *p) {
  if (p->args.kind == PROGRAM_LANGUAGE) begin_language(p);
  else if (p->args.kind == PROGRAM_ENCODER) begin_encoder(p);
  else begin_arrays(p);
  arguments_explain(p->args.kind, p->out);
  text_put(p->out, "\nexit status: 0 done, 1 an input, the file or the processor is at fault, 2 the command line is,\n"
                   "74 no memory, no room or an I/O error\n");
  return DONE;
}
