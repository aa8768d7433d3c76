/* session.c -- one program at work: its inputs, its arena, its threads. */
#include "runtime/session.h"

#include "runtime/os.h"
#include "runtime/size.h"
#include "runtime/words.h"

static bool fail(lrt_session *s, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  text_format_list(s->error, sizeof s->error, fmt, ap);
  va_end(ap);
  return false;
}

/* ---- opening ---- */

static bool no_memory(lrt_session *s, int64_t bytes, const char *what) {
  s->no_memory = true;
  return fail(s, "there are no %d bytes of memory for %s", bytes, what);
}

static void *cut(char **at, int64_t n, size_t size) {
  void *here = *at;
  *at += ((size_t)n * size + 15) / 16 * 16;
  return here;
}

/* All tables in one piece; called once to measure, with nothing to write to, and once to cut. */
static size_t cut_tables(lrt_session *s, char *from) {
  const lrt_program *p = s->program;
  char *at = from;
  s->symbol = cut(&at, p->n_symbols, sizeof *s->symbol);
  s->input = cut(&at, p->n_inputs, sizeof *s->input);
  s->shape = cut(&at, p->n_inputs, sizeof *s->shape);
  s->value = cut(&at, p->n_values, sizeof *s->value);
  s->bytes = cut(&at, p->n_blocks, sizeof *s->bytes);
  s->offset = cut(&at, p->n_blocks, sizeof *s->offset);
  s->scratch = cut(&at, p->n_blocks, sizeof *s->scratch);
  s->arg = cut(&at, p->n_steps, sizeof *s->arg);
  for (int64_t i = 0; i < p->n_steps; i++) {
    lrt_arg *arg = cut(&at, p->step[i].n_memory + p->step[i].n_sizes, sizeof *arg);
    if (s->tables) s->arg[i] = arg;
  }
  return (size_t)(at - from);
}

bool session_open(lrt_session *s, const lrt_program *p, const void *weights, int64_t threads) {
  *s = (lrt_session){.program = p, .weights = weights};
  s->tables_size = cut_tables(s, (char *)s);
  s->tables = os_memory(s->tables_size);
  if (!s->tables || !(s->pool = pool_open(threads))) return no_memory(s, (int64_t)s->tables_size, "its tables and threads");
  cut_tables(s, s->tables);
  for (int64_t i = 0; i < p->n_symbols; i++) s->symbol[i] = -1;
  return true;
}

void session_close(lrt_session *s) {
  pool_close(s->pool);
  os_release(s->arena, s->arena_size);
  os_release(s->tables, s->tables_size);
  *s = (lrt_session){0};
}

/* ---- sizes ---- */

bool session_input(lrt_session *s, int64_t input, const int64_t *dim, const void *data) {
  const lrt_port *port = &s->program->input[input];
  for (int64_t i = 0; i < port->rank; i++) s->shape[input][i] = dim[i];
  s->input[input] = data;
  return true;
}

/* Inputs give symbols their values where a size is a symbol alone. */
static bool bind(lrt_session *s, int64_t input) {
  const lrt_program *p = s->program;
  const lrt_port *port = &p->input[input];
  for (int64_t i = 0; i < port->rank; i++) {
    int64_t k = size_symbol(p->words, port->dim[i]), v = s->shape[input][i];
    if (k < 0 || s->symbol[k] >= 0) continue;
    if (p->symbol[k].capacity >= 0 && v > p->symbol[k].capacity)
      return fail(s, "input `%s`: axis %d (`%s`) is %d, and this program was built for %d at most", port->name, i,
                  p->symbol[k].name, v, p->symbol[k].capacity);
    s->symbol[k] = v;
  }
  return true;
}

static bool check_shape(lrt_session *s, int64_t input) {
  const lrt_program *p = s->program;
  const lrt_port *port = &p->input[input];
  for (int64_t i = 0, want; i < port->rank; i++) {
    int64_t k = size_symbol(p->words, port->dim[i]);
    if (!size_value(p->words, port->dim[i], s->symbol, &want)) return fail(s, "input `%s`: its sizes are out of range", port->name);
    if (want != s->shape[input][i])
      return fail(s, "input `%s`: axis %d%s%s%s is %d, and must be %d", port->name, i, k < 0 ? "" : " (`",
                  k < 0 ? "" : p->symbol[k].name, k < 0 ? "" : "`)", s->shape[input][i], want);
  }
  return true;
}

static bool bind_all(lrt_session *s) {
  const lrt_program *p = s->program;
  for (int64_t i = 0; i < p->n_symbols; i++) s->symbol[i] = -1;
  for (int64_t i = 0; i < p->n_inputs; i++)
    if (!s->input[i]) return fail(s, "input `%s` is not given", p->input[i].name);
    else if (!bind(s, i)) return false;
  for (int64_t i = 0; i < p->n_symbols; i++)
    if (s->symbol[i] < 0) return fail(s, "no input tells the size `%s`", p->symbol[i].name);
  for (int64_t i = 0; i < p->n_inputs; i++)
    if (!check_shape(s, i)) return false;
  return true;
}

/* ---- places ---- */

static bool make_arena(lrt_session *s) {
  const lrt_program *p = s->program;
  int64_t total;
  for (int64_t i = 0; i < p->n_blocks; i++) {
    if (!size_value(p->words, p->block[i].bytes, s->symbol, &s->bytes[i]) || s->bytes[i] > INT64_MAX - LRT_ALIGN)
      return fail(s, "with inputs of these sizes, an intermediate result does not fit any memory");
    s->bytes[i] = (s->bytes[i] + LRT_ALIGN - 1) / LRT_ALIGN * LRT_ALIGN;
  }
  if (!size_place(p->block, p->n_blocks, s->bytes, s->offset, s->scratch, &total))
    return fail(s, "with inputs of these sizes, the intermediate results do not fit any memory");
  if ((size_t)total > s->arena_size) {
    os_release(s->arena, s->arena_size);
    s->arena_size = 0;
    s->arena = os_memory((size_t)total);
    if (!s->arena) return no_memory(s, total, "the intermediate results");
    s->arena_size = (size_t)total;
  }
  return true;
}

static void *address(const lrt_session *s, const lrt_value *v) {
  switch (v->place) {
  case LRT_IN_INPUT: return (void *)(uintptr_t)s->input[v->at];
  case LRT_IN_ARENA: return s->arena + s->offset[v->at];
  case LRT_IN_WEIGHTS: return (void *)(uintptr_t)(s->weights + v->at);
  default: return (void *)(uintptr_t)(s->program->data + v->at);
  }
}

bool session_prepare(lrt_session *s) {
  if (!bind_all(s) || !make_arena(s)) return false;
  for (int64_t i = 0; i < s->program->n_values; i++) s->value[i] = address(s, &s->program->value[i]);
  return true;
}

void session_memory(const lrt_session *s, int64_t *arena, int64_t *least) {
  const lrt_program *p = s->program;
  int64_t phases = 0;
  for (int64_t i = 0; i < p->n_steps; i++) phases += p->step[i].op == LRT_MEET;
  *arena = (int64_t)s->arena_size;
  *least = 0;
  for (int64_t phase = 0; phase <= phases; phase++) {
    int64_t sum = 0;
    for (int64_t i = 0; i < p->n_blocks; i++)
      if (p->block[i].first <= phase && phase <= p->block[i].last) sum += s->bytes[i];
    if (sum > *least) *least = sum;
  }
}

/* ---- steps ---- */

static bool size_of(lrt_session *s, int64_t at, int64_t *out) {
  return size_value(s->program->words, at, s->symbol, out) || fail(s, "with inputs of these sizes, a size is out of range");
}

static bool make_launch(lrt_session *s, int64_t at, lrt_launch *l) {
  const lrt_step *step = &s->program->step[at];
  lrt_arg *arg = s->arg[at];
  int64_t size;
  *l = (lrt_launch){.kernel = s->program->kernel[step->kernel], .arg = arg, .groups = 1};
  for (int64_t i = 0; i < step->n_memory; i++) arg[i].memory = s->value[step->args[i]];
  for (int64_t i = 0; i < step->n_sizes; i++) {
    if (!size_of(s, step->args[step->n_memory + i], &size)) return false;
    arg[step->n_memory + i].bits = (uint64_t)size;
  }
  for (int i = 0; i < 3; i++)
    if (!size_of(s, step->grid[i], &l->grid[i]) || __builtin_mul_overflow(l->groups, l->grid[i], &l->groups))
      return s->error[0] ? false : fail(s, "with inputs of these sizes, a grid is out of range");
  return true;
}

static bool write_sizes(lrt_session *s, const lrt_step *step) {
  int64_t *to = s->value[step->args[0]];
  for (int64_t i = 0; i < step->n_sizes; i++)
    if (!size_of(s, step->args[1 + i], &to[i])) return false;
  return true;
}

bool session_run(lrt_session *s) {
  lrt_launch phase[LRT_PHASE];
  int n = 0;
  for (int64_t i = 0; i < s->program->n_steps; i++) {
    const lrt_step *step = &s->program->step[i];
    switch (step->op) {
    case LRT_LAUNCH:
      if (!make_launch(s, i, &phase[n++])) return false;
      break;
    case LRT_SIZES:
      if (!write_sizes(s, step)) return false;
      break;
    default:
      pool_run(s->pool, n, phase);
      n = 0;
    }
  }
  pool_run(s->pool, n, phase);
  return true;
}

bool session_output(lrt_session *s, int64_t output, int64_t *dim, const void **data) {
  const lrt_port *port = &s->program->output[output];
  for (int64_t i = 0; i < port->rank; i++)
    if (!size_of(s, port->dim[i], &dim[i])) return false;
  *data = s->value[port->value];
  return true;
}
