/* pace.c -- how fast a language model reads prompts and makes tokens: --bench, in the table and the JSON that llama-bench has. */
#include "runtime/exact_math.h"
#include "runtime/language.h"
#include "runtime/os.h"

typedef struct Pace {
  int64_t prompt, made, depth; /* tokens: read, made, and there before; one of the first two is 0 */
  int64_t repeat;
  int64_t *ns; /* [repeat] */
} Pace;

/* Any tokens do: what they are changes nothing about the time. */
static int add_tokens(Language *l, int64_t n, uint64_t *seed) {
  for (int64_t i = 0; i < n; i++) {
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    int32_t token = (int32_t)((*seed >> 33) % (uint64_t)l->sampler.words);
    if (!generator_add(&l->generator, &token, 1)) return generator_failed(l);
  }
  return DONE;
}

static int read_all(Language *l) {
  const float *logits;
  return generator_next(&l->generator, &logits) ? DONE : generator_failed(l);
}

static int run_once(Language *l, const Pace *p, int64_t *ns) {
  Generator *g = &l->generator;
  uint64_t seed = 1;
  if (!generator_rewind(g, p->depth)) return generator_failed(l);
  int status = add_tokens(l, p->depth - g->n, &seed);
  if (status == DONE && g->fed < g->n) status = read_all(l);
  int64_t start = os_now();
  if (status == DONE) status = add_tokens(l, p->prompt, &seed);
  if (status == DONE && p->prompt) status = read_all(l);
  for (int64_t i = 0; i < p->made && status == DONE; i++) {
    status = add_tokens(l, 1, &seed);
    if (status == DONE) status = read_all(l);
  }
  *ns = os_now() - start;
  return status;
}

/* ---- figures ---- */

static double mean(const Pace *p, bool speed, double *deviation) {
  double sum = 0, squares = 0, n = (double)p->repeat;
  for (int64_t i = 0; i < p->repeat; i++) {
    double v = speed ? (double)(p->prompt + p->made) * 1e9 / (double)p->ns[i] : (double)p->ns[i];
    sum += v;
    squares += v * v;
  }
  double variance = n > 1 ? (squares - sum * sum / n) / (n - 1) : 0;
  *deviation = variance > 0 ? exact_sqrt(variance) : 0;
  return sum / n;
}

static double in_tenths(double v, double by) { return (double)(int64_t)(v * by + 0.5) / by; }

static void put_cell(TextOut *out, const char *text, size_t width) {
  text_put(out, "| %s ", text);
  for (size_t n = text_length(text); n < width; n++) text_put(out, " ");
}

static void put_line(const Language *l, const Pace *p) {
  const Program *is = l->program;
  char cell[128];
  double deviation, speed = mean(p, true, &deviation);
  put_cell(is->out, is->model->name, 24);
  text_format(cell, sizeof cell, "%g MiB", in_tenths((double)is->model->weights_size / (1 << 20), 100));
  put_cell(is->out, cell, 12);
  put_cell(is->out, is->data->level, 16);
  text_format(cell, sizeof cell, "%d", pool_threads(is->session.pool));
  put_cell(is->out, cell, 7);
  text_format(cell, sizeof cell, p->depth ? "%s%d @ d%d" : "%s%d", p->prompt ? "pp" : "tg", p->prompt + p->made, p->depth);
  put_cell(is->out, cell, 15);
  text_format(cell, sizeof cell, "%g +- %g", in_tenths(speed, 100), in_tenths(deviation, 100));
  put_cell(is->out, cell, 20);
  text_put(is->out, "|\n");
  text_flush(is->out);
}

static void put_object(const Language *l, const Pace *p, bool first) {
  const Program *is = l->program;
  double ns_deviation, deviation, ns = mean(p, false, &ns_deviation), speed = mean(p, true, &deviation);
  text_put(is->out, "%s{\"model_filename\":\"", first ? "" : ",\n ");
  put_json(is->out, is->name, text_length(is->name));
  text_put(is->out, "\",\"model_type\":\"");
  put_json(is->out, is->model->name, text_length(is->model->name));
  text_put(is->out, "\",\"model_size\":%d,\"backends\":\"%s\",\"n_threads\":%d,\"n_batch\":%d,\"n_prompt\":%d,\"n_gen\":%d,\"n_depth\":%d,", is->model->weights_size,
           is->data->level, pool_threads(is->session.pool), l->generator.chunk, p->prompt, p->made, p->depth);
  text_put(is->out, "\"avg_ns\":%d,\"stddev_ns\":%d,\"avg_ts\":%g,\"stddev_ts\":%g,\"samples_ns\":[", (int64_t)ns, (int64_t)ns_deviation, speed, deviation);
  for (int64_t i = 0; i < p->repeat; i++) text_put(is->out, i ? ",%d" : "%d", p->ns[i]);
  text_put(is->out, "],\"samples_ts\":[");
  for (int64_t i = 0; i < p->repeat; i++) text_put(is->out, i ? ",%g" : "%g", (double)(p->prompt + p->made) * 1e9 / (double)p->ns[i]);
  text_put(is->out, "]}");
}

/* ---- all of it ---- */

static int measure(Language *l, Pace *p, bool *first) {
  bool json = l->program->args.at[ARG_json].given;
  int64_t warm;
  if (p->prompt + p->made == 0) return DONE;
  if (p->depth + p->prompt + p->made > l->generator.context)
    return complain(l->program, BAD_INPUT, "--bench: %d tokens behind %d do not fit the context of %d", p->prompt + p->made, p->depth, l->generator.context);
  int status = run_once(l, p, &warm);
  for (int64_t i = 0; i < p->repeat && status == DONE; i++) status = run_once(l, p, &p->ns[i]);
  if (status != DONE) return status;
  if (json) put_object(l, p, *first);
  else put_line(l, p);
  *first = false;
  return DONE;
}

int language_bench(Language *l) {
  const Arguments *a = &l->program->args;
  TextOut *out = l->program->out;
  bool json = a->at[ARG_json].given, first = true;
  int64_t depth = argument_number(a, ARG_bench_depth, 0), repeat = argument_number(a, ARG_repeat, 5);
  int64_t *ns = repeat < 1 << 20 ? os_memory((size_t)repeat * sizeof *ns) : NULL;
  if (!ns) return complain(l->program, NO_RESOURCE, "there is no memory for %d times", repeat);
  Pace prompt = {.prompt = argument_number(a, ARG_bench_prompt, 512), .depth = depth, .repeat = repeat, .ns = ns};
  Pace made = {.made = argument_number(a, ARG_bench_tokens, 128), .depth = depth, .repeat = repeat, .ns = ns};
  if (json) text_put(out, "[");
  else text_put(out, "| model                    | size         | backend          | threads | test            | t/s                  |\n"
                     "| ------------------------ | -----------: | ---------------- | ------: | --------------: | -------------------: |\n");
  int status = measure(l, &prompt, &first);
  if (status == DONE) status = measure(l, &made, &first);
  if (json) text_put(out, "]\n");
  os_release(ns, (size_t)repeat * sizeof *ns);
  return status;
}
