/* tokenizer_gguf.c -- reads the vocabularies of GGUF files, which are kept as settings. */
#define _GNU_SOURCE
#include <inttypes.h>

#include "frontend/tokenizer_spec.h"

enum { KIND_NORMAL = 1, KIND_UNKNOWN, KIND_CONTROL, KIND_USER, KIND_UNUSED, KIND_BYTE };
enum { WHOLE = 1, BOS = 2 };

// clang-format off
#define PATTERN(id, patterns) static const char pattern_##id[] = patterns;
#define NAME(name, id, flags)
#include "frontend/pre_tokenizers.def"

static const struct {
  const char *name, *patterns;
  int flags;
} pre_tokenizers[] = {
#define PATTERN(id, patterns)
#define NAME(name, id, flags) {name, pattern_##id, flags},
#include "frontend/pre_tokenizers.def"
};
// clang-format on

static const char mark[] = "\xe2\x96\x81";

/* ---- settings ---- */

typedef struct Vocabulary {
  Spec *s;
  const Checkpoint *c;
  const Setting *tokens;
  bool space_first, bos, eos;
} Vocabulary;

static const Setting *setting(const Vocabulary *v, const char *key) {
  char name[128];
  snprintf(name, sizeof name, "tokenizer.ggml.%s", key);
  return checkpoint_setting(v->c, name);
}

static const Setting *list(const Vocabulary *v, const char *key) {
  const Setting *s = setting(v, key);
  return s && s->kind == SETTING_LIST ? s : NULL;
}

static const char *text(const Vocabulary *v, const char *key) {
  const Setting *s = setting(v, key);
  return s && s->kind == SETTING_TEXT ? s->text : "";
}

static bool flag(const Vocabulary *v, const char *key, bool otherwise) {
  const Setting *s = setting(v, key);
  return s && s->kind == SETTING_BOOL ? s->i : otherwise;
}

/* A token's number, or -1. */
static int32_t number(const Vocabulary *v, const char *key) {
  const Setting *s = setting(v, key);
  return s && s->kind == SETTING_INT && s->i >= 0 && s->i < v->tokens->n ? (int32_t)s->i : -1;
}

/* ---- tokens ---- */

static int64_t kind_of(const Vocabulary *v, int64_t i) {
  const Setting *kinds = list(v, "token_type");
  return kinds && i < kinds->n ? kinds->at[i].i : KIND_NORMAL;
}

static double score_of(const Vocabulary *v, int64_t i) {
  const Setting *scores = list(v, "scores");
  return scores && i < scores->n ? scores->at[i].f : 0;
}

static bool add_token(Vocabulary *v, int64_t i, SpecText piece) {
  Spec *s = v->s;
  int64_t kind = kind_of(v, i);
  bool sign = kind == KIND_CONTROL || kind == KIND_USER || kind == KIND_UNKNOWN, special = kind == KIND_CONTROL || kind == KIND_UNKNOWN;
  double score = score_of(v, i);
  if (score != score || score > 1e30 || score < -1e30) return spec_wrong(s, "the score of token %" PRId64 " is %g", i, score);
  bool hidden = special || kind == KIND_BYTE || kind == KIND_UNUSED;
  if (!spec_token(s, i, piece, score, (uint8_t)((hidden ? TOKEN_HIDDEN : 0) | (kind == KIND_CONTROL ? TOKEN_SPECIAL : 0)))) return false;
  if (kind == KIND_BYTE && spec_byte_of(piece) < 0) return spec_wrong(s, "token %" PRId64 ", `%.40s`, is said to be a byte; bytes are <0x00> to <0xFF>", i, s->token.at[i].piece.at);
  if (sign) vec_push(s->arena, &s->early, ((SpecSign){s->token.at[i].piece, {(int32_t)i, special ? SIGN_SPECIAL : 0}}));
  return true;
}

static bool add_tokens(Vocabulary *v) {
  for (int64_t i = 0; i < v->tokens->n; i++) {
    const Setting *t = &v->tokens->at[i];
    if (t->kind != SETTING_TEXT) return spec_wrong(v->s, "token %" PRId64 " is no text", i);
    if (!add_token(v, i, (SpecText){t->text, (size_t)t->n})) return false;
  }
  v->s->head.unknown = number(v, "unknown_token_id");
  return true;
}

/* Marks are blanks, <0x0A> is a byte. */
static void write_marks(Vocabulary *v) {
  Spec *s = v->s;
  for (int i = 0; i < s->token.n; i++) {
    SpecToken *t = &s->token.at[i];
    int b = kind_of(v, i) == KIND_BYTE ? spec_byte_of(t->piece) : -1;
    char byte = (char)b, *to = arena_alloc(s->arena, t->piece.n + 1);
    size_t n = 0;
    for (size_t k = 0; k < t->piece.n; n++) {
      bool blank = t->piece.n - k >= 3 && memcmp(t->piece.at + k, mark, 3) == 0;
      to[n] = blank ? ' ' : t->piece.at[k];
      k += blank ? 3 : 1;
    }
    t->write = b >= 0 ? (SpecText){arena_string(s->arena, &byte, 1), 1} : (SpecText){to, n};
  }
}

/* ---- kinds ---- */

static bool any_byte(const Spec *s) {
  for (int i = 0; i < s->token.n; i++)
    if (s->token.at[i].piece.at && spec_byte_of(s->token.at[i].piece) >= 0) return true;
  return false;
}

/* Blanks become marks; the first is put there. */
static bool mark_blanks(Vocabulary *v) {
  Spec *s = v->s;
  TokenizerNormal k = {.kind = NORMAL_REPLACE, .text = spec_put_text(s, spec_text(mark))};
  if (v->space_first) spec_prepend(s, spec_text(" "));
  if (!spec_pattern(s, " ", 1, REGEX_PLAIN, &k.automaton)) return false;
  vec_push(s->arena, &s->normal, k);
  return true;
}

/* White space behind the signs of Phi-3 belongs to them. */
static void strip_behind_signs(Vocabulary *v) {
  const Setting *name = checkpoint_setting(v->c, "general.name");
  if (!name || name->kind != SETTING_TEXT || (!strcasestr(name->text, "phi-3") && !strcasestr(name->text, "phi3"))) return;
  static const char *const not_these[] = {"<unk>", "<s>", "<|endoftext|>"};
  for (int i = 0; i < v->s->early.n; i++) {
    SpecSign *sign = &v->s->early.at[i];
    bool plain = false;
    for (size_t k = 0; k < sizeof not_these / sizeof *not_these; k++) plain |= strcmp(sign->text.at, not_these[k]) == 0;
    if (!plain) sign->sign.flags |= SIGN_RIGHT;
  }
}

static bool read_llama(Vocabulary *v) {
  v->s->head.kind = TOKENIZER_BPE;
  v->space_first = flag(v, "add_space_prefix", true);
  v->bos = flag(v, "add_bos_token", true);
  v->eos = flag(v, "add_eos_token", false);
  if (v->space_first) v->s->head.flags |= TOKENIZER_STRIP;
  strip_behind_signs(v);
  if ((any_byte(v->s) && !spec_fallback(v->s)) || !mark_blanks(v) || !spec_pairs_by_score(v->s)) return false;
  write_marks(v);
  spec_mark_cut(v->s);
  return true;
}

static bool read_t5(Vocabulary *v) {
  Spec *s = v->s;
  const Setting *table = list(v, "precompiled_charsmap");
  double least = 0;
  TokenizerNormal k = {.kind = NORMAL_PIECES, .flags = PIECES_MARK};
  s->head.kind = TOKENIZER_UNIGRAM;
  s->head.flags |= TOKENIZER_FLOAT | TOKENIZER_FUSE | TOKENIZER_RUNS;
  v->space_first = flag(v, "add_space_prefix", true);
  v->bos = flag(v, "add_bos_token", false);
  v->eos = flag(v, "add_eos_token", true);
  if (flag(v, "remove_extra_whitespaces", false)) k.flags |= PIECES_TRIM, s->head.flags |= TOKENIZER_STRIP_TEXT;
  if (v->space_first) k.flags |= PIECES_FIRST, s->head.flags |= TOKENIZER_STRIP;
  uint8_t *bytes = arena_alloc(s->arena, (size_t)(table ? table->n : 0) + 1);
  for (int64_t i = 0; table && i < table->n; i++) bytes[i] = (uint8_t)table->at[i].i;
  if (!spec_charsmap(s, bytes, (size_t)(table ? table->n : 0), &k)) return false;
  vec_push(s->arena, &s->normal, k);
  for (int i = 0; i < s->token.n; i++)
    if (kind_of(v, i) == KIND_NORMAL && s->token.at[i].score < least) least = s->token.at[i].score;
  s->head.unknown_score = (float)least - 10.0f;
  write_marks(v);
  spec_mark_cut(s);
  return true;
}

/* Pieces that begin words have a mark in the file; those within have "##" elsewhere. */
static bool name_pieces(Vocabulary *v) {
  Spec *s = v->s;
  for (int i = 0; i < s->token.n; i++) {
    SpecToken *t = &s->token.at[i];
    bool first = t->piece.n > 3 && memcmp(t->piece.at, mark, 3) == 0, sign = t->piece.n > 1 && t->piece.at[0] == '[' && t->piece.at[t->piece.n - 1] == ']';
    if (first) t->piece = (SpecText){t->piece.at + 3, t->piece.n - 3};
    else if (!sign && kind_of(v, i) == KIND_NORMAL) t->piece = (SpecText){arena_printf(s->arena, "##%s", t->piece.at), t->piece.n + 2};
    bool inner = !first && !sign && kind_of(v, i) == KIND_NORMAL;
    if (inner) t->write = (SpecText){t->piece.at + 2, t->piece.n - 2}, t->flags |= TOKEN_INNER;
    else t->write = (SpecText){arena_printf(s->arena, " %s", t->piece.at), t->piece.n + 1};
  }
  s->head.flags |= TOKENIZER_STRIP;
  return true;
}

static bool read_bert(Vocabulary *v) {
  Spec *s = v->s;
  s->head.kind = TOKENIZER_WORDPIECE;
  s->head.longest = INT32_MAX - 1;
  s->inner = spec_text("##");
  v->bos = flag(v, "add_bos_token", true);
  v->eos = flag(v, "add_eos_token", true);
  spec_bert(s, true, true, true, true);
  return name_pieces(v) && spec_cut(s, "\\s", REGEX_RUST, MATCHES_REMOVED, 0) && spec_cut(s, "[\\p{P}!-/:-@\\[-`{-~]", REGEX_RUST, MATCHES_ALONE, 0);
}

static bool add_merge(Spec *s, const Setting *m, int64_t rank) {
  char both[2 * MAX_PIECE];
  const char *blank = m->kind == SETTING_TEXT && m->n > 2 ? memchr(m->text + 1, ' ', (size_t)m->n - 1) : NULL;
  if (!blank) return spec_wrong(s, "merge %" PRId64 " is no pair of tokens", rank);
  SpecText a = {m->text, (size_t)(blank - m->text)}, b = {blank + 1, (size_t)m->n - a.n - 1};
  int32_t x = spec_find(s, a), y = spec_find(s, b);
  if (x < 0 || y < 0) return spec_wrong(s, "merge %" PRId64 " joins `%.40s`, which is no token", rank, x < 0 ? a.at : b.at);
  memcpy(both, a.at, a.n);
  memcpy(both + a.n, b.at, b.n);
  int32_t made = spec_find(s, (SpecText){both, a.n + b.n});
  if (made < 0) return spec_wrong(s, "merge %" PRId64 " makes `%.*s`, which is no token", rank, (int)(a.n + b.n), both);
  return spec_pair(s, x, y, made, (uint32_t)rank);
}

static bool cut_by_name(Vocabulary *v) {
  Spec *s = v->s;
  const char *name = text(v, "pre");
  size_t i = 0, n = sizeof pre_tokenizers / sizeof *pre_tokenizers;
  while (*name && i < n && strcmp(pre_tokenizers[i].name, name) != 0) i++;
  if (i == n) return spec_wrong(s, "the pre-tokenizer `%.40s` (tokenizer.ggml.pre) is not known", name);
  if (pre_tokenizers[i].flags & WHOLE) s->head.flags |= TOKENIZER_WHOLE;
  v->bos = flag(v, "add_bos_token", (pre_tokenizers[i].flags & BOS) != 0);
  v->eos = flag(v, "add_eos_token", false);
  if (flag(v, "add_space_prefix", false)) vec_push(s->arena, &s->cut, ((TokenizerCut){.kind = CUT_BLANK}));
  for (const char *at = pre_tokenizers[i].patterns; at; at = strchr(at, '\n') ? strchr(at, '\n') + 1 : NULL)
    if (!spec_cut(s, arena_string(s->arena, at, strcspn(at, "\n")), REGEX_USUAL, MATCHES_ALONE, 0)) return false;
  return true;
}

static bool read_gpt2(Vocabulary *v) {
  Spec *s = v->s;
  const Setting *merges = list(v, "merges");
  s->head.kind = TOKENIZER_BPE;
  for (int64_t i = 0; merges && i < merges->n; i++)
    if (!add_merge(s, &merges->at[i], i)) return false;
  for (int i = 0; i < s->token.n; i++)
    if (!(s->token.at[i].flags & TOKEN_HIDDEN)) (void)letters_bytes(s->arena, s->token.at[i].write, &s->token.at[i].write);
  spec_letters(s);
  return cut_by_name(v);
}

static const struct {
  const char *name;
  bool (*read)(Vocabulary *);
} kinds[] = {{"llama", read_llama}, {"gpt2", read_gpt2}, {"bert", read_bert}, {"t5", read_t5}};

/* The first of these that the file names. */
static void add_sign(Vocabulary *v, bool wanted, const char *const *keys, bool before) {
  for (; wanted && *keys; keys++) {
    int32_t id = number(v, *keys);
    if (id < 0) continue;
    if (before) vec_push(v->s->arena, &v->s->before, id);
    else vec_push(v->s->arena, &v->s->behind, id);
    return;
  }
}

static void add_frame(Vocabulary *v, bool bert) {
  static const char *const first[] = {"cls_token_id", "bos_token_id", NULL}, *const last[] = {"seperator_token_id", "separator_token_id", "eos_token_id", NULL};
  add_sign(v, v->bos, bert ? first : first + 1, true);
  add_sign(v, v->eos, bert ? last : last + 2, false);
}

bool tokenizer_read_settings(Spec *s, const Checkpoint *c) {
  Vocabulary v = {.s = s, .c = c};
  const char *kind = text(&v, "model");
  v.tokens = list(&v, "tokens");
  if (!*kind) return spec_wrong(s, "the file has no vocabulary (tokenizer.ggml.model)");
  if (!v.tokens) return spec_wrong(s, "the vocabulary has no tokens (tokenizer.ggml.tokens)");
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    if (strcmp(kinds[i].name, kind) != 0) continue;
    if (!add_tokens(&v) || !kinds[i].read(&v)) return false;
    add_frame(&v, strcmp(kind, "bert") == 0);
    return true;
  }
  return spec_wrong(s, "the vocabulary is of the kind `%.40s`; llama, gpt2, bert and t5 are read", kind);
}
