/* start.c -- how a program begins: chooses its kernels, finds its weights, and does what the command line asks for. */
#include "runtime/start.h"

#include "runtime/language.h"
#include "runtime/os.h"
#include "runtime/template.h"

/* What the compiler made. */
extern const lrt_model lrt_model_data;

int complain(const Program *p, int status, const char *fmt, ...) {
  char line[1024];
  va_list ap;
  va_start(ap, fmt);
  text_format_list(line, sizeof line, fmt, ap);
  va_end(ap);
  text_say(2, "%s: %s\n", p->name, line);
  return status;
}

int session_failed(const Program *p) {
  return complain(p, p->session.no_memory ? NO_RESOURCE : BAD_INPUT, "%s", p->session.error);
}

/* ---- the file ---- */

/* The weights are the segment that is aligned as no other is. */
static const lrt_elf_segment *weights_header(const lrt_image *image) {
  const lrt_elf_segment *h = image->headers;
  for (int64_t i = 0; h && i < image->n_headers; i++)
    if (h[i].type == LRT_ELF_LOADED && h[i].align == LRT_WEIGHTS_ALIGN) return &h[i];
  return NULL;
}

static int map_weights(const Program *p, const lrt_image *image, const uint8_t **at, size_t *bytes) {
  const lrt_elf_segment *h = weights_header(image);
  if (!h) return complain(p, BAD_INPUT, "this file has lost its weights");
  *at = (const uint8_t *)(uintptr_t)h->address;
  *bytes = (size_t)h->file_size;
  return DONE;
}

static int find_weights(Program *p, const lrt_image *image) {
  const uint8_t *at = image->weights;
  size_t bytes = (size_t)p->model->weights_size + sizeof(lrt_end_mark);
  lrt_error why;
  if (p->model->weights_size == 0 || p->model->weights_file) return DONE;
  int status = at ? DONE : map_weights(p, image, &at, &bytes);
  if (status != DONE || weights_given(&p->weights, p->model, at, bytes, &why)) return status;
  return complain(p, BAD_INPUT, "this file is damaged: %s", why.text);
}

static const char *variable(const lrt_image *image, const char *name) {
  for (const char *const *v = image->environment; v && *v; v++)
    if (text_begins(*v, name) && (*v)[text_length(name)] == '=') return *v + text_length(name) + 1;
  return NULL;
}

/* Where the build wrote them: in the program's folder, under the name that they had. */
static bool path_beside(const Program *p, char *out, size_t size) {
  if (!os_own_path(out, size)) return false;
  size_t folder = text_length(out);
  while (folder > 0 && out[folder - 1] != '/') folder--;
  return text_format(out + folder, size - folder, "%s", p->model->weights_file) < size - folder - 1;
}

/* Weights in a file of their own, which --weights names, or LATHE_WEIGHTS, or the build. */
static int open_weights(Program *p, const lrt_image *image) {
  char beside[4096];
  lrt_error why;
  const char *path = p->args.at[ARG_weights].word ? p->args.at[ARG_weights].word : variable(image, "LATHE_WEIGHTS");
  if (!p->model->weights_file || p->weights.bytes) return DONE;
  if (!path && path_beside(p, beside, sizeof beside)) path = beside;
  if (weights_open(&p->weights, p->model, path, &why)) return DONE;
  int status = complain(p, p->weights.no_memory ? NO_RESOURCE : BAD_INPUT, "%s", why.text);
  if (!p->args.at[ARG_weights].word) text_say(2, "--weights FILE says where its weights are, or LATHE_WEIGHTS\n");
  return status;
}

static int check_weights(const Program *p) {
  lrt_error why;
  if (p->model->weights_size == 0) return text_put(p->out, "there are no weights\n"), DONE;
  if (!weights_check(&p->weights, p->model, &why)) return complain(p, BAD_INPUT, "%s", why.text);
  text_put(p->out, "the weights are whole: %d bytes, hash %x\n", p->model->weights_size, weights_mark(&p->weights, p->model)->hash);
  return DONE;
}

/* ---- the processor ---- */

static const char *asked(const Program *p) { return p->args.at[ARG_cpu].word; }

/* The type of caches that is asked for, or the usual one. */
static const char *asked_cache(const Program *p) { return p->args.at[ARG_kv].word ? p->args.at[ARG_kv].word : p->model->level[0].kv; }

static bool has_cache(const Program *p) {
  for (int64_t i = 0; i < p->model->n_levels; i++)
    if (text_same(p->model->level[i].kv, asked_cache(p))) return true;
  return false;
}

/* The best level that the processor has, or the one that is asked for. */
static void choose_level(Program *p) {
  const lrt_model *m = p->model;
  char missing[512];
  p->data = &m->level[0];
  for (int64_t i = m->n_levels - 1; i >= 0 && !p->runs; i--) {
    if ((asked(p) && !text_same(asked(p), m->level[i].level)) || !text_same(asked_cache(p), m->level[i].kv)) continue;
    p->data = &m->level[i];
    p->runs = cpu_missing(p->processor, p->data->needs, missing, sizeof missing) == 0;
  }
}

static int explain_level(const Program *p) {
  char missing[512];
  if (!has_cache(p))
    return complain(p, BAD_USAGE, p->model->level[0].kv[0] ? "--kv %s: this program keeps no caches in that; --info says in what it does"
                                                           : "--kv %s: this program has no caches", asked_cache(p));
  if (asked(p) && !text_same(asked(p), p->data->level))
    return complain(p, BAD_USAGE, "--cpu %s: this program has no such level; --info lists them", asked(p));
  cpu_missing(p->processor, p->data->needs, missing, sizeof missing);
  complain(p, BAD_INPUT, "this program was built for %s, and this processor has no %s", p->data->level, missing);
  if (!asked(p)) text_say(2, "build the model again with --cpu for a lower level\n");
  return BAD_INPUT;
}

/* ---- what is asked for ---- */

static int run_model(Program *p) {
  const Argument *at = p->args.at;
  bool arrays = at[ARG_in].given || at[ARG_random].given;
  if (p->args.kind == PROGRAM_LANGUAGE && !arrays) return language_run(p);
  if (p->args.kind == PROGRAM_ENCODER && !arrays) return encode_run(p);
  if (!session_open(&p->session, p->data, p->weights.bytes, argument_number(&p->args, ARG_threads, os_processors()))) return session_failed(p);
  return run_on_arrays(p);
}

static int kind_of(const lrt_model *m) {
  if (generator_can(m, &m->level[0])) return PROGRAM_LANGUAGE;
  return encode_can(m, &m->level[0]) ? PROGRAM_ENCODER : PROGRAM_ARRAYS;
}

static int read_arguments(Program *p, int argc, char **argv) {
  lrt_error why;
  if (arguments_read(&p->args, kind_of(p->model), argc, argv, &why)) return DONE;
  return why.text[0] ? complain(p, BAD_USAGE, "%s", why.text) : complain(p, NO_RESOURCE, "no memory");
}

static int run_program(Program *p, int argc, char **argv, const lrt_image *image) {
  if (p->model->version != LRT_VERSION) return complain(p, BAD_INPUT, "the program and its runtime are of different versions");
  int status = read_arguments(p, argc, argv);
  const char *zone = variable(image, "TZ");
  p->zone = zone ? template_zone(zone) : 0;
  if (status != DONE) return status;
  choose_level(p);
  status = find_weights(p, image);
  if (status != DONE) return status;
  if (p->args.at[ARG_help].given) return print_help(p);
  if (p->args.at[ARG_info].given) return print_info(p);
  if (p->args.at[ARG_weights].given && !p->model->weights_file) return complain(p, BAD_USAGE, "--weights: they are in this program's own file");
  status = open_weights(p, image);
  if (status != DONE) return status;
  if (p->args.at[ARG_check].given) return check_weights(p);
  return p->runs ? run_model(p) : explain_level(p);
}

int lrt_main(int argc, char **argv, const lrt_image *image) {
  TextOut out = {.stream = 1};
  Program p = {.model = &lrt_model_data, .processor = &image->cpu, .name = argc > 0 ? argv[0] : "program", .out = &out};
  int status = run_program(&p, argc, argv, image);
  if (!text_flush(&out) && status == DONE) status = complain(&p, NO_RESOURCE, "cannot write to standard output: is the disk full?");
  return status;
}
