/* start.c -- a program's command line: reads inputs, runs the model, writes outputs. */
#include "runtime/start.h"

#include "runtime/array.h"
#include "runtime/cpu.h"
#include "runtime/speak.h"
#include "runtime/os.h"
#include "runtime/session.h"
#include "runtime/size.h"
#include "runtime/weights.h"
#include "runtime/words.h"

/* What the compiler made. */
extern const lrt_model lrt_model_data;

enum { DONE = 0, BAD_INPUT = 1, BAD_USAGE = 2, NO_RESOURCE = 74 };

typedef struct Program {
  const lrt_model *model;
  const lrt_program *data;    /* of the level that runs; of the first where none can */
  const char *name;           /* as it was called */
  const char **file;          /* of each input, or NULL */
  const char *folder;         /* for outputs, or NULL */
  const char *cpu;            /* the level asked for, or NULL */
  const lrt_cpu *processor;
  int64_t *size;              /* of each symbol, or -1: for inputs made up */
  int64_t threads, repeat, seed;
  Speak text;              /* of a language model: how it goes on */
  bool random, info, check, help, runs, given; /* runs: the processor has what the level needs; given: an input is */
  const char *weights_path;   /* the file asked for, or NULL */
  lrt_weights weights;
  lrt_session session;
  TextOut *out; /* what is asked for; messages go to the standard error stream */
} Program;

static int complain(const Program *p, int status, const char *fmt, ...) {
  char line[1024];
  va_list ap;
  va_start(ap, fmt);
  text_format_list(line, sizeof line, fmt, ap);
  va_end(ap);
  text_say(2, "%s: %s\n", p->name, line);
  return status;
}

static int session_failed(const Program *p) {
  return complain(p, p->session.no_memory ? NO_RESOURCE : BAD_INPUT, "%s", p->session.error);
}

/* ---- words about the program ---- */

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

static const char common_options[] =
  "  -t, --threads N          run on N threads (else as many as there are processors for it)\n"
  "      --cpu LEVEL          run the kernels for this level, and not the best that the processor has\n"
  "      --weights FILE       where weights that were built separate are (else LATHE_WEIGHTS, or beside the program)\n"
  "      --info               say what the program holds\n"
  "      --check              read all weights, and compare their hash with the one made at build\n"
  "  -h, --help               this text\n\n"
  "exit status: 0 done, 1 an input, the file or the processor is at fault, 2 the command line is,\n"
  "74 no memory, no room or an I/O error\n";

static int print_text_help(const Program *p) {
  text_put(p->out, "%s goes on with a text, by the language model `%s`.\n\nusage: %s -p TEXT\n\noptions:\n", p->name, p->model->name, p->name);
  text_put(p->out, "  -p, --prompt TEXT        what the text begins with; it is not repeated\n"
                "      --ids 1,2,3          the same as tokens, and tokens are written\n"
                "  -n, --tokens N           make at most N tokens (else until the model ends, or the context is full)\n"
                "  -c, --context N          use so many positions of those that the program was built for\n"
                "      --chunk N            take the prompt N tokens at a time (else 256)\n"
                "      --temp 0             always the likeliest token, which is all that there is yet\n"
                "  -i, --in NAME=FILE.npy   or else run the function alone, once, on arrays; --info lists its inputs\n");
  text_put(p->out, "%s", common_options);
  return DONE;
}

static int print_help(const Program *p) {
  if (speak_can(p->model, p->data)) return print_text_help(p);
  text_put(p->out, "%s runs the model `%s` on NumPy arrays.\n\n", p->name, p->model->name);
  text_put(p->out, "usage: %s", p->name);
  for (int64_t i = 0; i < p->data->n_inputs; i++) text_put(p->out, " --in %s=FILE.npy", p->data->input[i].name);
  text_put(p->out, " --out-dir FOLDER\n\n");
  print_ports(p);
  text_put(p->out, "\noptions:\n"
                "  -i, --in NAME=FILE.npy   read an input\n"
                "  -o, --out-dir FOLDER     write each output there, as NAME.npy\n"
                "      --random SEED        fill the inputs that are not given with random numbers\n"
                "  -d, --dim NAME=N         the size of inputs made up (else 4)\n"
                "      --repeat N           run N times, and say how long it took\n");
  text_put(p->out, "%s", common_options);
  return DONE;
}

static int print_info(const Program *p) {
  text_put(p->out, "model:   %s\nmade by: %s\nlevels: ", p->model->name, p->model->made_by);
  for (int64_t i = 0; i < p->model->n_levels; i++) text_put(p->out, " %s", p->model->level[i].level);
  text_put(p->out, "\n");
  text_put(p->out, "weights: %d bytes\nsteps:   %d\n", p->model->weights_size, p->data->n_steps);
  print_ports(p);
  return DONE;
}

/* ---- the command line ---- */

static int64_t find_input(const Program *p, const char *name, size_t n) {
  for (int64_t i = 0; i < p->data->n_inputs; i++)
    if (text_same_n(name, p->data->input[i].name, n)) return i;
  return -1;
}

static size_t name_length(const char *s) {
  size_t n = 0;
  while (s[n] && s[n] != '=') n++;
  return n;
}

static int take_input(Program *p, const char *word) {
  size_t n = name_length(word);
  if (!word[n]) return complain(p, BAD_USAGE, "--in takes NAME=FILE.npy, and not `%s`", word);
  int64_t i = find_input(p, word, n);
  if (i < 0) {
    complain(p, BAD_USAGE, "there is no input of the name in `%s`", word);
    for (int64_t k = 0; k < p->data->n_inputs; k++) text_say(2, "%s%s", k ? ", " : "its inputs are ", p->data->input[k].name);
    text_say(2, "\n");
    return BAD_USAGE;
  }
  p->given = true;
  if (p->file[i]) return complain(p, BAD_USAGE, "input `%s` is given twice", p->data->input[i].name);
  p->file[i] = word + n + 1;
  return DONE;
}

static int take_size(Program *p, const char *word) {
  size_t n = name_length(word);
  for (int64_t i = 0; i < p->data->n_symbols; i++) {
    if (!text_same_n(word, p->data->symbol[i].name, n)) continue;
    const char *end = word[n] ? text_number(word + n + 1, &p->size[i]) : NULL;
    if (!end || *end) return complain(p, BAD_USAGE, "--dim takes NAME=N, and not `%s`", word);
    return DONE;
  }
  return complain(p, BAD_USAGE, "there is no size of the name in `%s`; --info lists them", word);
}

static int take_number(Program *p, const char *option, const char *word, int64_t least, int64_t *out) {
  const char *end = text_number(word, out);
  if (!end || *end || *out < least) return complain(p, BAD_USAGE, "%s takes a number from %d on, and not `%s`", option, least, word);
  return DONE;
}

/* What says how a language model goes on; false: it is another option. */
static bool take_text(Program *p, const char *option, const char *value, int *status) {
  Speak *g = &p->text;
  *status = DONE;
  if (text_same(option, "--prompt")) g->prompt = value;
  else if (text_same(option, "--ids")) g->ids = value;
  else if (text_same(option, "--tokens")) *status = take_number(p, option, value, 0, &g->n);
  else if (text_same(option, "--chunk")) *status = take_number(p, option, value, 1, &g->chunk);
  else if (text_same(option, "--context")) *status = take_number(p, option, value, 1, &g->context);
  else if (!text_same(option, "--temp")) return false;
  else if (!text_same(value, "0")) *status = complain(p, BAD_USAGE, "--temp %s: the likeliest token is always taken, and 0 is what says so", value);
  if (!speak_can(p->model, p->data)) *status = complain(p, BAD_USAGE, "%s: this model is no language model", option);
  return true;
}

/* An option that takes a value. */
static int take_value(Program *p, const char *option, const char *value) {
  int status;
  if (take_text(p, option, value, &status)) return status;
  if (text_same(option, "--in")) return take_input(p, value);
  if (text_same(option, "--dim")) return take_size(p, value);
  if (text_same(option, "--out-dir")) return p->folder = value, DONE;
  if (text_same(option, "--cpu")) return DONE; /* level_asked() */
  if (text_same(option, "--weights") && !p->model->weights_file) return complain(p, BAD_USAGE, "--weights: they are in this program's own file");
  if (text_same(option, "--weights")) return p->weights_path = value, DONE;
  if (text_same(option, "--threads")) return take_number(p, option, value, 1, &p->threads);
  if (text_same(option, "--repeat")) return take_number(p, option, value, 1, &p->repeat);
  p->random = true;
  return take_number(p, option, value, 0, &p->seed);
}

static const char *long_name(const char *word, size_t n) {
  static const char *const letters[] = {"-i", "--in", "-o", "--out-dir", "-t", "--threads", "-d", "--dim",
                                        "-p", "--prompt", "-n", "--tokens", "-c", "--context"};
  static const char *const names[] = {"--in", "--out-dir", "--threads", "--dim", "--repeat", "--random", "--cpu", "--weights",
                                      "--prompt", "--ids", "--tokens", "--context", "--chunk", "--temp"};
  for (size_t i = 0; i < sizeof letters / sizeof *letters; i += 2)
    if (text_same(word, letters[i])) return letters[i + 1];
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (text_same_n(word, names[i], n)) return names[i];
  return NULL;
}

static int take_word(Program *p, int argc, char **argv, int *i) {
  const char *word = argv[*i];
  size_t n = name_length(word);
  if (text_same(word, "--help") || text_same(word, "-h")) return p->help = true, DONE;
  if (text_same(word, "--info")) return p->info = true, DONE;
  if (text_same(word, "--check")) return p->check = true, DONE;
  const char *option = long_name(word, n);
  if (!option) return complain(p, BAD_USAGE, "`%s` is no option; --help lists them", word);
  if (word[n] && word[1] == '-') return take_value(p, option, word + n + 1);
  if (*i + 1 == argc) return complain(p, BAD_USAGE, "`%s` needs a value", word);
  return take_value(p, option, argv[++*i]);
}

static int read_words(Program *p, int argc, char **argv) {
  int status = DONE;
  p->size = os_memory((size_t)(p->data->n_symbols + 1) * sizeof *p->size);
  p->file = os_memory((size_t)(p->data->n_inputs + 1) * sizeof *p->file);
  if (!p->size || !p->file) return complain(p, NO_RESOURCE, "no memory");
  for (int64_t i = 0; i < p->data->n_symbols; i++) p->size[i] = -1;
  for (int i = 1; i < argc && status == DONE; i++) status = take_word(p, argc, argv, &i);
  return status;
}

/* ---- the file and the processor ---- */

typedef struct Header { /* ELF's, of one word size or the other */
#if __SIZEOF_POINTER__ == 8
  uint32_t type, flags;
  uint64_t offset, address, physical, file_size, size, align;
#else
  uint32_t type, offset, address, physical, file_size, size, flags, align;
#endif
} Header;

/* The weights are the segment that is aligned as no other is. */
static const Header *weights_header(const lrt_image *image) {
  const Header *h = image->headers;
  for (int64_t i = 0; h && i < image->n_headers; i++)
    if (h[i].type == 1 && h[i].align == LRT_WEIGHTS_ALIGN) return &h[i];
  return NULL;
}

/* A file that was cut off is still mapped as far as its headers say, so its size is looked at before the weights are. */
static int map_weights(const Program *p, const lrt_image *image, const uint8_t **at, size_t *bytes) {
  const Header *h = weights_header(image);
  if (!h) return complain(p, BAD_INPUT, "this file has lost its weights");
  int64_t file = os_open("/proc/self/exe");
  if (file < 0 && image->path) file = os_open(image->path);
  int64_t size = file < 0 ? INT64_MAX : os_size(file);
  if (file >= 0) os_close(file);
  if ((uint64_t)size < (uint64_t)h->offset + h->file_size)
    return complain(p, BAD_INPUT, "this file is incomplete: it has %d bytes of %d", size, (int64_t)((uint64_t)h->offset + h->file_size));
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
    if ((*v)[name_length(*v)] && text_same_n(*v, name, name_length(*v))) return *v + text_length(name) + 1;
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
  const char *path = p->weights_path ? p->weights_path : variable(image, "LATHE_WEIGHTS");
  if (!p->model->weights_file || p->weights.bytes) return DONE;
  if (!path && path_beside(p, beside, sizeof beside)) path = beside;
  if (weights_open(&p->weights, p->model, path, &why)) return DONE;
  int status = complain(p, p->weights.no_memory ? NO_RESOURCE : BAD_INPUT, "%s", why.text);
  if (!p->weights_path) text_say(2, "--weights FILE says where its weights are, or LATHE_WEIGHTS\n");
  return status;
}

static int check_weights(const Program *p) {
  lrt_error why;
  if (p->model->weights_size == 0) return text_put(p->out, "there are no weights\n"), DONE;
  if (!weights_check(&p->weights, p->model, &why)) return complain(p, BAD_INPUT, "%s", why.text);
  text_put(p->out, "the weights are whole: %d bytes, hash %x\n", p->model->weights_size, weights_mark(&p->weights, p->model)->hash);
  return DONE;
}

/* --cpu is looked for before all else, since the level has the names of inputs and sizes. */
static const char *level_asked(int argc, char **argv) {
  const char *level = NULL;
  for (int i = 1; i < argc; i++)
    if (text_same_n(argv[i], "--cpu", name_length(argv[i]))) level = argv[i][5] ? argv[i] + 6 : i + 1 < argc ? argv[i + 1] : NULL;
  return level;
}

/* The best level that the processor has, or the one that is asked for. */
static void choose_level(Program *p) {
  const lrt_model *m = p->model;
  char missing[512];
  p->data = &m->level[0];
  for (int64_t i = m->n_levels - 1; i >= 0 && !p->runs; i--) {
    if (p->cpu && !text_same(p->cpu, m->level[i].level)) continue;
    p->data = &m->level[i];
    p->runs = cpu_missing(p->processor, p->data->needs, missing, sizeof missing) == 0;
  }
}

static int explain_level(const Program *p) {
  char missing[512];
  if (p->cpu && !text_same(p->cpu, p->data->level))
    return complain(p, BAD_USAGE, "--cpu %s: this program has no such level; --info lists them", p->cpu);
  cpu_missing(p->processor, p->data->needs, missing, sizeof missing);
  complain(p, BAD_INPUT, "this program was built for %s, and this processor has no %s", p->data->level, missing);
  if (!p->cpu) text_say(2, "build the model again with --cpu for a lower level\n");
  return BAD_INPUT;
}

/* ---- running ---- */

static int make_up(Program *p, int64_t i, uint64_t *seed, Array *a) {
  const lrt_port *port = &p->data->input[i];
  int64_t dim[LRT_RANK];
  for (int64_t k = 0; k < p->data->n_symbols; k++)
    if (p->size[k] < 0) {
      int64_t most = p->data->symbol[k].capacity;
      p->size[k] = most >= 0 && most < 4 ? most : 4;
    }
  for (int64_t k = 0; k < port->rank; k++)
    if (!size_value(p->data->words, port->dim[k], p->size, &dim[k]))
      return complain(p, BAD_INPUT, "input `%s`: no size can be made up for axis %d", port->name, k);
  return array_random(port, dim, seed, a) ? DONE : complain(p, NO_RESOURCE, "no memory for input `%s`", port->name);
}

/* All that is wrong with the inputs is said at once. */
static int read_inputs(Program *p) {
  int status = DONE;
  uint64_t seed = (uint64_t)p->seed;
  for (int64_t i = 0; i < p->data->n_inputs; i++) {
    Array a;
    ArrayError why = {0};
    int one = DONE;
    if (p->file[i]) {
      if (!array_read(p->file[i], &p->data->input[i], &a, &why)) one = complain(p, why.resource ? NO_RESOURCE : BAD_INPUT, "%s: %s", p->file[i], why.text);
    } else if (p->random) {
      one = make_up(p, i, &seed, &a);
    } else {
      one = complain(p, BAD_USAGE, "input `%s` is not given: --in %s=FILE.npy, or --random SEED", p->data->input[i].name, p->data->input[i].name);
    }
    if (one == DONE) session_input(&p->session, i, a.dim, a.data);
    else if (status == DONE) status = one;
  }
  return status;
}

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
  if (p->folder && !os_make_folder(p->folder)) return complain(p, NO_RESOURCE, "%s: the folder cannot be made", p->folder);
  for (int64_t i = 0; i < p->data->n_outputs; i++) {
    const lrt_port *port = &p->data->output[i];
    Array a = {.dtype = port->dtype, .rank = port->rank};
    ArrayError why = {0};
    char name[256], path[4096];
    if (!session_output(&p->session, i, a.dim, &a.data)) return session_failed(p);
    if (!p->folder) {
      show(p, port->name, &a);
      continue;
    }
    file_name(port->name, name, sizeof name);
    text_format(path, sizeof path, "%s/%s.npy", p->folder, name);
    if (!array_write(path, &a, &why)) return complain(p, NO_RESOURCE, "%s: %s", path, why.text);
  }
  return DONE;
}

static int run(Program *p) {
  int64_t least = INT64_MAX, sum = 0;
  for (int64_t i = 0; i < p->repeat; i++) {
    int64_t start = os_now();
    if (!session_run(&p->session)) return session_failed(p);
    int64_t took = os_now() - start;
    if (took < least) least = took;
    sum += took;
  }
  if (p->repeat > 1)
    text_say(2, "%d runs on %d threads, %s: %g ms at best, %g ms on average\n", p->repeat, pool_threads(p->session.pool),
               p->data->level, (double)least * 1e-6, (double)sum * 1e-6 / (double)p->repeat);
  return DONE;
}

static int go_on(Program *p) {
  lrt_error why;
  if (speak(&p->text, p->model, &p->session, p->out, &why)) return DONE;
  return complain(p, p->session.no_memory ? NO_RESOURCE : BAD_INPUT, "%s", why.text);
}

static int run_model(Program *p) {
  int64_t threads = p->threads ? p->threads : os_processors();
  if (!session_open(&p->session, p->data, p->weights.bytes, threads)) return session_failed(p);
  if (!p->given && !p->random && speak_can(p->model, p->data)) return go_on(p);
  int status = read_inputs(p);
  if (status != DONE) return status;
  if (!session_prepare(&p->session)) return session_failed(p);
  status = run(p);
  if (p->repeat > 1) {
    int64_t arena, least_arena;
    session_memory(&p->session, &arena, &least_arena);
    text_say(2, "arena: %d bytes, at least %d\n", arena, least_arena);
  }
  return status == DONE ? write_outputs(p) : status;
}

static int run_program(Program *p, int argc, char **argv, const lrt_image *image) {
  if (p->model->version != LRT_VERSION) return complain(p, BAD_INPUT, "the program and its runtime are of different versions");
  p->cpu = level_asked(argc, argv);
  choose_level(p);
  int status = find_weights(p, image);
  if (status == DONE) status = read_words(p, argc, argv);
  if (status != DONE) return status;
  if (p->help) return print_help(p);
  if (p->info) return print_info(p);
  status = open_weights(p, image);
  if (status != DONE) return status;
  if (p->check) return check_weights(p);
  return p->runs ? run_model(p) : explain_level(p);
}

int lrt_main(int argc, char **argv, const lrt_image *image) {
  TextOut out = {.stream = 1};
  Program p = {.model = &lrt_model_data, .processor = &image->cpu, .name = argc > 0 ? argv[0] : "program", .out = &out};
  p.repeat = 1;
  p.text = (Speak){.n = -1, .chunk = 256};
  int status = run_program(&p, argc, argv, image);
  if (!text_flush(&out) && status == DONE) status = complain(&p, NO_RESOURCE, "cannot write to standard output: is the disk full?");
  return status;
}
