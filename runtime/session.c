/* session.c -- one program at work: its inputs, its arena, its threads. */
#include "runtime/session.h"

#include "runtime/os.h"
#include "runtime/size.h"
#include "runtime/words.h"

bool session_fail(lrt_session *s, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  text_format_list(s->error, sizeof s->error, fmt, ap);
  va_end(ap);
  return false;
}

bool session_no_memory(lrt_session *s, int64_t bytes, const char *what) {
  s->no_memory = true;
  return session_fail(s, "there are no %d bytes of memory for %s", bytes, what);
}

bool session_size(lrt_session *s, int64_t at, int64_t *out) {
  return size_value(s->program->words, at, s->symbol, out) || session_fail(s, "with inputs of these sizes, a size is out of range");
}

/* ---- opening ---- */

static int64_t most_lets(const lrt_program *p) {
  int64_t most = 0;
  for (int64_t i = 0; i < p->n_steps; i++)
    if (p->step[i].told && p->step[i].told->n_lets > most) most = p->step[i].told->n_lets;
  return most;
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
  s->segment = cut(&at, p->n_segments, sizeof *s->segment);
  s->grown = cut(&at, p->n_grown, sizeof *s->grown);
  s->part = cut(&at, p->n_parts, sizeof *s->part);
  s->told = cut(&at, most_lets(p), sizeof *s->told);
  s->arg = cut(&at, p->n_steps, sizeof *s->arg);
  for (int64_t i = 0; i < p->n_steps; i++) {
    lrt_arg *arg = cut(&at, p->step[i].n_memory + p->step[i].n_sizes, sizeof *arg);
    if (s->tables) s->arg[i] = arg;
  }
  return (size_t)(at - from);
}

/* Fresh memory is zeros: empty states. The sizes are numbers, so no symbol is asked for. */
static bool make_states(lrt_session *s) {
  const lrt_program *p = s->program;
  for (int64_t i = 0, bytes; i < p->n_parts; i++) {
    if (!session_size(s, p->part[i].bytes, &bytes)) return false;
    if (!(s->part[i] = os_memory((size_t)bytes))) return session_no_memory(s, bytes, "the states");
  }
  return true;
}

static void release_states(lrt_session *s) {
  const lrt_program *p = s->program;
  for (int64_t i = 0, bytes; i < p->n_parts; i++)
    if (size_value(p->words, p->part[i].bytes, s->symbol, &bytes)) os_release(s->part[i], (size_t)bytes);
}

bool session_open(lrt_session *s, const lrt_program *p, const void *weights, int64_t threads) {
  *s = (lrt_session){.program = p, .weights = weights};
  s->tables_size = cut_tables(s, (char *)s);
  s->tables = os_memory(s->tables_size);
  if (!s->tables || !(s->pool = pool_open(threads))) return session_no_memory(s, (int64_t)s->tables_size, "its tables and threads");
  cut_tables(s, s->tables);
  for (int64_t i = 0; i < p->n_symbols; i++) s->symbol[i] = -1;
  return make_states(s);
}

void session_close(lrt_session *s) {
  pool_close(s->pool);
  if (s->tables) release_states(s);
  for (int64_t i = 0; i < s->program->n_segments; i++)
    for (int k = 0; k < 2; k++) os_release(s->segment[i].memory[k], s->segment[i].size[k]);
  for (int64_t i = 0; i < s->program->n_grown; i++) os_release(s->grown[i].memory, s->grown[i].size);
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
      return session_fail(s, "input `%s`: axis %d (`%s`) is %d, and this program was built for %d at most", port->name, i,
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
    if (!size_value(p->words, port->dim[i], s->symbol, &want)) return session_fail(s, "input `%s`: its sizes are out of range", port->name);
    if (want != s->shape[input][i])
      return session_fail(s, "input `%s`: axis %d%s%s%s is %d, and must be %d", port->name, i, k < 0 ? "" : " (`",
                  k < 0 ? "" : p->symbol[k].name, k < 0 ? "" : "`)", s->shape[input][i], want);
  }
  return true;
}

static bool bind_all(lrt_session *s) {
  const lrt_program *p = s->program;
  for (int64_t i = 0; i < p->n_symbols; i++) s->symbol[i] = -1;
  for (int64_t i = 0; i < p->n_inputs; i++)
    if (!s->input[i]) return session_fail(s, "input `%s` is not given", p->input[i].name);
    else if (!bind(s, i)) return false;
  for (int64_t i = 0; i < p->n_inputs; i++)
    if (!check_shape(s, i)) return false;
  return true;
}

/* ---- steps ---- */

static bool make_launch(lrt_session *s, int64_t at, lrt_launch *l) {
  const lrt_step *step = &s->program->step[at];
  lrt_arg *arg = s->arg[at];
  int64_t size;
  *l = (lrt_launch){.kernel = s->program->kernel[step->at], .arg = arg, .groups = 1};
  for (int64_t i = 0; i < step->n_memory; i++) arg[i].memory = s->value[step->args[i]];
  for (int64_t i = 0; i < step->n_sizes; i++) {
    if (!session_size(s, step->args[step->n_memory + i], &size)) return false;
    arg[step->n_memory + i].bits = (uint64_t)size;
  }
  for (int i = 0; i < 3; i++)
    if (!session_size(s, step->grid[i], &l->grid[i]) || __builtin_mul_overflow(l->groups, l->grid[i], &l->groups))
      return s->error[0] ? false : session_fail(s, "with inputs of these sizes, a grid is out of range");
  return true;
}

static bool write_sizes(lrt_session *s, const lrt_step *step) {
  int64_t *to = s->value[step->args[0]];
  for (int64_t i = 0; i < step->n_sizes; i++)
    if (!session_size(s, step->args[1 + i], &to[i])) return false;
  return true;
}

static bool check_sizes(lrt_session *s, const lrt_step *step) {
  for (int64_t i = 0, a, b; i < step->n_sizes; i += 2) {
    if (!session_size(s, step->args[i], &a) || !session_size(s, step->args[i + 1], &b)) return false;
    if (a != b && !(step->at && a == 1))
      return session_fail(s, "at %s: sizes that must be equal are %d and %d", step->told->where, a, b);
  }
  return true;
}

static bool set_number(lrt_session *s, const lrt_step *step) {
  int64_t bytes;
  uint8_t *to = s->value[step->args[0]];
  if (!session_size(s, step->args[1], &bytes)) return false;
  for (int64_t i = 0; i < bytes; i++) to[i] = (uint8_t)(i < 8 ? (uint64_t)step->at >> 8 * i : 0);
  return true;
}

/* Does step i, which is no launch and no meeting; a jump changes i. */
static bool do_step(lrt_session *s, int64_t *i) {
  const lrt_step *step = &s->program->step[*i];
  void **value = s->value;
  switch (step->op) {
  case LRT_SIZES: return write_sizes(s, step);
  case LRT_LET: return session_tell(s, step) && (step->told->opens <= 0 || session_place(s, step->told->opens, false));
  case LRT_CHECK: return check_sizes(s, step);
  case LRT_MOVE: return session_move(s, *i);
  case LRT_SET: return set_number(s, step);
  case LRT_COUNT: return ++*(int64_t *)value[step->args[0]], true;
  case LRT_CLEAR: return session_clear(s, step);
  case LRT_COLLECT: return session_collect(s, step);
  case LRT_UNLESS:
    if (!*(const uint8_t *)value[step->args[0]]) *i = step->at - 1;
    return true;
  case LRT_TURNS:
    if (*(const int64_t *)value[step->args[0]] >= *(const int64_t *)value[step->args[1]]) *i = step->at - 1;
    return true;
  default: *i = step->at - 1; return true;
  }
}

/* Lets and checks that need no more than the inputs' sizes. */
static bool begin(lrt_session *s) {
  for (int64_t i = 0; i < s->program->n_start; i++)
    if (!do_step(s, &i)) return false;
  return true;
}

static void *address(const lrt_session *s, const lrt_value *v) {
  switch (v->place) {
  case LRT_IN_INPUT: return (void *)(uintptr_t)s->input[v->at];
  case LRT_IN_WEIGHTS: return (void *)(uintptr_t)(s->weights + v->at);
  case LRT_IN_STATE: return s->part[v->at];
  case LRT_IN_DATA: return (void *)(uintptr_t)(s->program->data + v->at);
  default: return NULL;
  }
}

bool session_prepare(lrt_session *s) {
  const lrt_program *p = s->program;
  s->error[0] = 0;
  for (int64_t i = 0; i < p->n_blocks; i++) s->bytes[i] = 0;
  for (int64_t i = 0; i < p->n_values; i++) s->value[i] = address(s, &p->value[i]);
  return bind_all(s) && begin(s) && session_place(s, 0, false);
}

void session_memory(const lrt_session *s, int64_t *arena, int64_t *least) {
  const lrt_program *p = s->program;
  int64_t phases = 0;
  *arena = *least = 0;
  for (int64_t i = 0; i < p->n_steps; i++) phases += p->step[i].op == LRT_MEET;
  for (int64_t i = 0; i < p->n_segments; i++) *arena += (int64_t)(s->segment[i].size[0] + s->segment[i].size[1]);
  for (int64_t phase = 0; phase <= phases; phase++) {
    int64_t sum = 0;
    for (int64_t i = 0; i < p->n_blocks; i++)
      if (p->block[i].first <= phase && phase <= p->block[i].last) sum += s->bytes[i];
    if (sum > *least) *least = sum;
  }
}

bool session_run(lrt_session *s) {
  lrt_launch phase[LRT_PHASE];
  int n = 0;
  for (int64_t i = s->program->n_start; i < s->program->n_steps; i++) {
    int64_t op = s->program->step[i].op;
    if (op == LRT_LAUNCH) {
      if (!make_launch(s, i, &phase[n++])) return false;
    } else if (op == LRT_MEET) {
      pool_run(s->pool, n, phase);
      n = 0;
    } else if (!do_step(s, &i)) {
      return false;
    }
  }
  pool_run(s->pool, n, phase);
  return true;
}

bool session_output(lrt_session *s, int64_t output, int64_t *dim, const void **data) {
  const lrt_port *port = &s->program->output[output];
  for (int64_t i = 0; i < port->rank; i++)
    if (!session_size(s, port->dim[i], &dim[i])) return false;
  *data = s->value[port->value];
  return true;
}
