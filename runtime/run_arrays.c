/* run_arrays.c -- runs a model's function on arrays from files, or made up, and writes what it gives. */
#include "runtime/array.h"
#include "runtime/os.h"
#include "runtime/running.h"
#include "runtime/size.h"

typedef struct Given {
  const char **file; /* of each input, or NULL */
  int64_t *size;     /* of each symbol, or -1: for inputs made up */
} Given;

/* ---- what is asked for ---- */

static size_t name_length(const char *s) {
  size_t n = 0;
  while (s[n] && s[n] != '=') n++;
  return n;
}

static int64_t find_input(const Program *p, const char *name, size_t n) {
  for (int64_t i = 0; i < p->data->n_inputs; i++)
    if (text_same_n(name, p->data->input[i].name, n)) return i;
  return -1;
}

static int take_input(const Program *p, Given *g, const char *word) {
  size_t n = name_length(word);
  if (!word[n]) return complain(p, BAD_USAGE, "--in takes NAME=FILE.npy, and not `%s`", word);
  int64_t i = find_input(p, word, n);
  if (i < 0) {
    complain(p, BAD_USAGE, "there is no input of the name in `%s`", word);
    for (int64_t k = 0; k < p->data->n_inputs; k++) text_say(2, "%s%s", k ? ", " : "its inputs are ", p->data->input[k].name);
    text_say(2, "\n");
    return BAD_USAGE;
  }
  if (g->file[i]) return complain(p, BAD_USAGE, "input `%s` is given twice", p->data->input[i].name);
  g->file[i] = word + n + 1;
  return DONE;
}

static int take_size(const Program *p, Given *g, const char *word) {
  size_t n = name_length(word);
  for (int64_t i = 0; i < p->data->n_symbols; i++) {
    if (!text_same_n(word, p->data->symbol[i].name, n)) continue;
    const char *end = word[n] ? text_number(word + n + 1, &g->size[i]) : NULL;
    if (!end || *end) return complain(p, BAD_USAGE, "--dim takes NAME=N, and not `%s`", word);
    return DONE;
  }
  return complain(p, BAD_USAGE, "there is no size of the name in `%s`; --info lists them", word);
}

static int take_given(const Program *p, Given *g) {
  const char *word;
  int status = DONE;
  g->size = os_memory((size_t)(p->data->n_symbols + 1) * sizeof *g->size);
  g->file = os_memory((size_t)(p->data->n_inputs + 1) * sizeof *g->file);
  if (!g->size || !g->file) return complain(p, NO_RESOURCE, "no memory");
  for (int64_t i = 0; i < p->data->n_symbols; i++) g->size[i] = -1;
  for (int i = 0; status == DONE && (word = argument_next(&p->args, ARG_in, &i));) status = take_input(p, g, word);
  for (int i = 0; status == DONE && (word = argument_next(&p->args, ARG_dim, &i));) status = take_size(p, g, word);
  return status;
}

/* ---- inputs ---- */

static int make_up(const Program *p, Given *g, int64_t i, uint64_t *seed, Array *a) {
  const lrt_port *port = &p->data->input[i];
  int64_t dim[LRT_RANK];
  for (int64_t k = 0; k < p->data->n_symbols; k++)
    if (g->size[k] < 0) {
      int64_t most = p->data->symbol[k].capacity;
      g->size[k] = most >= 0 && most < 4 ? most : 4;
    }
  for (int64_t k = 0; k < port->rank; k++)
    if (!size_value(p->data->words, port->dim[k], g->size, &dim[k]))
      return complain(p, BAD_INPUT, "input `%s`: no size can be made up for axis %d", port->name, k);
  return array_random(port, dim, seed, a) ? DONE : complain(p, NO_RESOURCE, "no memory for input `%s`", port->name);
}

/* All that is wrong with the inputs is said at once. */
static int read_inputs(Program *p, Given *g) {
  int status = DONE;
  uint64_t seed = (uint64_t)p->args.at[ARG_random].number;
  for (int64_t i = 0; i < p->data->n_inputs; i++) {
    Array a;
    ArrayError why = {0};
    int one = DONE;
    if (g->file[i]) {
      if (!array_read(g->file[i], &p->data->input[i], &a, &why)) one = complain(p, why.resource ? NO_RESOURCE : BAD_INPUT, "%s: %s", g->file[i], why.text);
    } else if (p->args.at[ARG_random].given) {
      one = make_up(p, g, i, &seed, &a);
    } else {
      one = complain(p, BAD_USAGE, "input `%s` is not given: --in %s=FILE.npy, or --random SEED", p->data->input[i].name, p->data->input[i].name);
    }
    if (one == DONE) session_input(&p->session, i, a.dim, a.data);
    else if (status == DONE) status = one;
  }
  return status;
}

/* ---- outputs ---- */

/* Names of outputs may hold anything; a file's name may not. */
static void file_name(const char *name, char *out, size_t size) {
  size_t n = text_format(out, size, "%s", name);
  for (size_t i = 0; i < n; i++)
    if (out[i] == '/' || (unsigned char)out[i] < 32 || (i == 0 && out[i] == '.')) out[i] = '_';
}

static void show(const Program *p, const char *name, const Array *a) {
  int64_t count, bytes;
  text_put(p->out, "%s: %s[", name, array_dtype_name(a->dtype));
  for (int64_t i = 0; i < a->rank; i++) text_put(p->out, "%s%d", i ? "," : "", a->dim[i]);
  text_put(p->out, "]");
  if (array_bytes(a, &count, &bytes))
    for (int64_t i = 0; i < count && i < 6; i++) text_put(p->out, "%s%g", i ? " " : " = ", array_number(a, i));
  text_put(p->out, count > 6 ? " ...\n" : "\n");
}

static int write_outputs(Program *p) {
  const char *folder = p->args.at[ARG_out_dir].word;
  if (folder && !os_make_folder(folder)) return complain(p, NO_RESOURCE, "%s: the folder cannot be made", folder);
  for (int64_t i = 0; i < p->data->n_outputs; i++) {
    const lrt_port *port = &p->data->output[i];
    Array a = {.dtype = port->dtype, .rank = port->rank};
    ArrayError why = {0};
    char name[256], path[4096];
    if (!session_output(&p->session, i, a.dim, &a.data)) return session_failed(p);
    if (!folder) {
      show(p, port->name, &a);
      continue;
    }
    file_name(port->name, name, sizeof name);
    text_format(path, sizeof path, "%s/%s.npy", folder, name);
    if (!array_write(path, &a, &why)) return complain(p, NO_RESOURCE, "%s: %s", path, why.text);
  }
  return DONE;
}

/* ---- running ---- */

static int run(Program *p, int64_t repeat) {
  int64_t least = INT64_MAX, sum = 0;
  for (int64_t i = 0; i < repeat; i++) {
    int64_t start = os_now();
    if (!session_run(&p->session)) return session_failed(p);
    int64_t took = os_now() - start;
    if (took < least) least = took;
    sum += took;
  }
  if (repeat > 1)
    text_say(2, "%d runs on %d threads, %s: %g ms at best, %g ms on average\n", repeat, pool_threads(p->session.pool),
               p->data->level, (double)least * 1e-6, (double)sum * 1e-6 / (double)repeat);
  return DONE;
}

int run_on_arrays(Program *p) {
  Given g;
  int64_t repeat = argument_number(&p->args, ARG_repeat, 1);
  int status = take_given(p, &g);
  if (status == DONE) status = read_inputs(p, &g);
  if (status != DONE) return status;
  if (!session_prepare(&p->session)) return session_failed(p);
  status = run(p, repeat);
  if (repeat > 1) {
    int64_t arena, least_arena;
    session_memory(&p->session, &arena, &least_arena);
    text_say(2, "arena: %d bytes, at least %d\n", arena, least_arena);
  }
  return status == DONE ? write_outputs(p) : status;
}
