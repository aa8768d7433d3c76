/* library.c -- a model as C functions: what a generated header declares under the model's name. */
#include "runtime/library.h"

#include "runtime/cpu.h"
#include "runtime/os.h"
#include "runtime/size.h"
#include "runtime/words.h"

/* What the compiler made. */
extern const lrt_model lrt_model_data;

static bool fail(lrt_error *error, const char *fmt, ...) {
  va_list ap;
  if (!error) return false;
  va_start(ap, fmt);
  text_format_list(error->text, sizeof error->text, fmt, ap);
  va_end(ap);
  return false;
}

/* ---- a model ---- */

static bool choose_level(lrt_library *l, lrt_error *error) {
  const lrt_model *m = &lrt_model_data;
  lrt_cpu cpu;
  char missing[256];
  os_features(cpu.word);
  for (int64_t i = m->n_levels - 1; i >= 0 && !l->program; i--) /* caches as they usually are */
    if (text_same(m->level[i].kv, m->level[0].kv) && cpu_missing(&cpu, m->level[i].needs, missing, sizeof missing) == 0) l->program = &m->level[i];
  return l->program || fail(error, "the model `%s` was built for %s, and this processor has no %s", m->name,
                            m->level[0].level, missing);
}

/* Where `error` is NULL, nobody asks. */
static lrt_library *open_with(const char *path, const void *bytes, size_t size, lrt_error *error) {
  lrt_error nobody;
  lrt_library *l = os_memory(sizeof *l);
  if (!error) error = &nobody;
  bool good = l || fail(error, "no memory");
  good = good && choose_level(l, error);
  good = good && (bytes ? weights_given(&l->weights, &lrt_model_data, bytes, size, error)
                        : weights_open(&l->weights, &lrt_model_data, path, error));
  if (good) return l;
  os_release(l, sizeof *l);
  return NULL;
}

lrt_library *lrt_api_open(const char *weights, lrt_error *error) { return open_with(weights, NULL, 0, error); }

lrt_library *lrt_api_open_bytes(const void *weights, size_t size, lrt_error *error) {
  return open_with(NULL, weights, size, error);
}

bool lrt_api_check(const lrt_library *l, lrt_error *error) {
  lrt_error why;
  if (!l) return false;
  return weights_check(&l->weights, &lrt_model_data, &why) || fail(error, "%s", why.text);
}

void lrt_api_close(lrt_library *l) {
  if (!l) return;
  weights_close(&l->weights);
  os_release(l, sizeof *l);
}

/* ---- a session ---- */

/* Without a model, or a session, the error says already what went wrong. */
lrt_library_session *lrt_api_session_open(lrt_library *l, int threads, lrt_error *error) {
  if (!l) return NULL;
  size_t bytes = sizeof(lrt_library_session) + (size_t)l->program->n_symbols * sizeof(int64_t);
  lrt_library_session *s = os_memory(bytes);
  if (!s) return fail(error, "no memory"), NULL;
  s->bytes = bytes;
  s->library = l;
  s->given = (int64_t *)(s + 1);
  if (session_open(&s->session, l->program, l->weights.bytes, threads > 0 ? threads : os_processors())) return s;
  fail(error, "%s", s->session.error);
  lrt_api_session_close(s);
  return NULL;
}

void lrt_api_session_close(lrt_library_session *s) {
  if (!s) return;
  library_text_close(s->text);
  session_close(&s->session);
  os_release(s, s->bytes);
}

/* ---- a run ---- */

static bool is_axis(const lrt_program *p, int64_t symbol) {
  for (int64_t i = 0; i < p->n_inputs; i++)
    for (int64_t a = 0; a < p->input[i].rank; a++)
      if (size_symbol(p->words, p->input[i].dim[a]) == symbol) return true;
  return false;
}

/* The sizes; returns what stands behind them, or NULL. */
static const void *read_sizes(lrt_library_session *s, const int64_t *in, lrt_error *error) {
  const lrt_program *p = s->session.program;
  for (int64_t i = 0; i < p->n_symbols; i++) {
    s->given[i] = -1;
    if (!is_axis(p, i)) continue;
    s->given[i] = *in++;
    if (s->given[i] < 0) return fail(error, "the size `%s` is %d", p->symbol[i].name, s->given[i]), NULL;
  }
  return in;
}

static bool read_inputs(lrt_library_session *s, const void *const *data, lrt_error *error) {
  const lrt_program *p = s->session.program;
  for (int64_t i = 0; i < p->n_inputs; i++) {
    const lrt_port *port = &p->input[i];
    int64_t dim[LRT_RANK];
    for (int64_t a = 0; a < port->rank; a++)
      if (!size_value(p->words, port->dim[a], s->given, &dim[a]))
        return fail(error, "input `%s`: axis %d has no size", port->name, a);
    if (!session_input(&s->session, i, dim, data[i])) return fail(error, "%s", s->session.error);
  }
  return true;
}

static bool write_outputs(lrt_library_session *s, char *out, lrt_error *error) {
  const lrt_program *p = s->session.program;
  enum { WORD = sizeof(int64_t) };
  for (int64_t i = 0, at = 0; i < p->n_outputs; i++) {
    int64_t dim[LRT_RANK], rank = p->output[i].rank;
    const void *data;
    if (!session_output(&s->session, i, dim, &data)) return fail(error, "%s", s->session.error);
    *(const void **)(void *)(out + at) = data;
    at += (int64_t)sizeof data;
    if (rank) at = (at + WORD - 1) / WORD * WORD; /* as a compiler aligns the shape */
    for (int64_t a = 0; a < rank; a++, at += WORD) *(int64_t *)(void *)(out + at) = dim[a];
  }
  return true;
}

bool lrt_api_run(lrt_library_session *s, const void *in, void *out, lrt_error *error) {
  if (!s) return false;
  const void *inputs = read_sizes(s, in, error);
  s->session.error[0] = 0;
  if (!inputs || !read_inputs(s, inputs, error)) return false;
  if (!session_prepare(&s->session) || !session_run(&s->session)) return fail(error, "%s", s->session.error);
  return write_outputs(s, out, error);
}
