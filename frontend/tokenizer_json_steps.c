/* tokenizer_json_steps.c -- reads Hugging Face's tokenizer.json: what happens to texts before the model, and to tokens behind it. */
#define _GNU_SOURCE
#include <string.h>

#include "frontend/tokenizer_json.h"

enum { MAX_STEPS = 64 };

/* A step's reader, by its type. */
typedef struct StepRow {
  const char *type;
  bool (*read)(Spec *s, const json_t *o, bool *letters);
} StepRow;

static bool read_step(Spec *s, const json_t *o, bool *letters, const StepRow *rows, size_t n, const char *what) {
  if (s->normal.n + s->cut.n > MAX_STEPS) return spec_wrong(s, "there are more than %d steps", MAX_STEPS);
  for (size_t i = 0; i < n; i++)
    if (strcmp(rows[i].type, json_type_name(o)) == 0) return rows[i].read(s, o, letters);
  return spec_wrong(s, "the %s `%.40s` is not read", what, json_type_name(o));
}

/* {"String": text} or {"Regex": pattern}. */
static bool read_pattern(Spec *s, const json_t *o, uint32_t *at) {
  const json_t *text = json_object_get(o, "String"), *regex = json_object_get(o, "Regex");
  if (json_is_string(o)) text = o;
  if (!json_is_string(text) && !json_is_string(regex)) return spec_wrong(s, "a pattern is neither `String` nor `Regex`");
  SpecText p = json_text(json_is_string(text) ? text : regex);
  return spec_pattern(s, p.at, p.n, json_is_string(text) ? REGEX_PLAIN : REGEX_ONIGURUMA, at);
}

/* ---- normalizers ---- */

static bool normal_nfc(Spec *s, const json_t *o, bool *l) { return (void)o, (void)l, spec_form(s, FORM_NFC), true; }
static bool normal_nfd(Spec *s, const json_t *o, bool *l) { return (void)o, (void)l, spec_form(s, FORM_NFD), true; }
static bool normal_nfkc(Spec *s, const json_t *o, bool *l) { return (void)o, (void)l, spec_form(s, FORM_NFKC), true; }
static bool normal_nfkd(Spec *s, const json_t *o, bool *l) { return (void)o, (void)l, spec_form(s, FORM_NFKD), true; }
static bool normal_lower(Spec *s, const json_t *o, bool *l) { return (void)o, (void)l, spec_lower(s), true; }
static bool normal_accents(Spec *s, const json_t *o, bool *l) { return (void)o, (void)l, spec_strip_accents(s), true; }

static bool normal_strip(Spec *s, const json_t *o, bool *l) {
  (void)l;
  uint32_t flags = (json_flag(o, "strip_left", true) ? NORMAL_LEFT : 0u) | (json_flag(o, "strip_right", true) ? NORMAL_RIGHT : 0u);
  vec_push(s->arena, &s->normal, ((TokenizerNormal){.kind = NORMAL_STRIP, .flags = flags}));
  return true;
}

static bool normal_prepend(Spec *s, const json_t *o, bool *l) { return (void)l, spec_prepend(s, json_text(json_object_get(o, "prepend"))), true; }

static bool normal_replace(Spec *s, const json_t *o, bool *l) {
  (void)l;
  TokenizerNormal k = {.kind = NORMAL_REPLACE, .text = spec_put_text(s, json_text(json_object_get(o, "content")))};
  if (!read_pattern(s, json_object_get(o, "pattern"), &k.automaton)) return false;
  vec_push(s->arena, &s->normal, k);
  return true;
}

static bool normal_bert(Spec *s, const json_t *o, bool *l) {
  (void)l;
  bool lower = json_flag(o, "lowercase", true);
  spec_bert(s, json_flag(o, "clean_text", true), json_flag(o, "handle_chinese_chars", true), json_flag(o, "strip_accents", lower), lower);
  return true;
}

static int base64_digit(char c) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const char *at = c ? strchr(digits, c) : NULL;
  return at ? (int)(at - digits) : -1;
}

static bool normal_precompiled(Spec *s, const json_t *o, bool *l) {
  (void)l;
  SpecText text = json_text(json_object_get(o, "precompiled_charsmap"));
  uint8_t *to = arena_alloc(s->arena, text.n + 1);
  size_t n = 0;
  uint32_t bits = 0, have = 0;
  for (size_t i = 0; i < text.n && text.at[i] != '='; i++) {
    int digit = base64_digit(text.at[i]);
    if (digit < 0) return spec_wrong(s, "`precompiled_charsmap` is no base64: byte %zu is 0x%02X", i, (unsigned)(uint8_t)text.at[i]);
    bits = bits << 6 | (uint32_t)digit;
    have += 6;
    if (have >= 8) to[n++] = (uint8_t)(bits >> (have -= 8));
  }
  return n == 0 || spec_graphemes(s, to, n);
}

/* What SentencePiece's nmt_ rules do beside NFKC. */
static int nmt(uint32_t c, const void *context, uint32_t out[CODE_TEXT]) {
  (void)context;
  if ((c >= 1 && c <= 8) || c == 0xb || (c >= 0xe && c <= 0x1f) || c == 0x7f || c == 0x8f || c == 0x9f) return 0;
  bool blank = c == 9 || c == 10 || c == 12 || c == 13 || c == 0x1680 || (c >= 0x200b && c <= 0x200f) || c == 0x2028 || c == 0x2029 || c == 0x2581 || c == 0xfeff || c == 0xfffd;
  return blank ? out[0] = ' ', 1 : MAP_STAYS;
}

static bool normal_nmt(Spec *s, const json_t *o, bool *l) { return (void)o, (void)l, spec_map(s, nmt, NULL, 0), true; }
static bool normal_letters(Spec *s, const json_t *o, bool *l) { return (void)s, (void)o, *l = true; }

static bool normal_sequence(Spec *s, const json_t *o, bool *l) {
  const json_t *all = json_object_get(o, "normalizers");
  for (size_t i = 0; i < json_array_size(all); i++)
    if (!json_read_normalizer(s, json_array_get(all, i), l)) return false;
  return true;
}

static const StepRow normalizers[] = {
  {"NFC", normal_nfc}, {"NFD", normal_nfd}, {"NFKC", normal_nfkc}, {"NFKD", normal_nfkd}, {"Lowercase", normal_lower},
  {"StripAccents", normal_accents}, {"Strip", normal_strip}, {"Prepend", normal_prepend}, {"Replace", normal_replace},
  {"BertNormalizer", normal_bert}, {"Precompiled", normal_precompiled}, {"Nmt", normal_nmt}, {"ByteLevel", normal_letters},
  {"Sequence", normal_sequence},
};

bool json_read_normalizer(Spec *s, const json_t *o, bool *letters) {
  if (!json_is_object(o)) return true;
  if (*letters) return spec_wrong(s, "the normalizer `%.40s` stands behind ByteLevel, which is not read", json_type_name(o));
  return read_step(s, o, letters, normalizers, sizeof normalizers / sizeof *normalizers, "normalizer");
}

/* ---- pre-tokenizers ---- */

static bool read_behavior(Spec *s, const json_t *o, uint32_t *how) {
  static const char *const names[] = {"Isolated", "Removed", "MergedWithPrevious", "MergedWithNext", "Contiguous"};
  const char *name = json_string_value(json_object_get(o, "behavior"));
  if (!name) return *how = MATCHES_ALONE, true;
  for (uint32_t i = 0; i < sizeof names / sizeof *names; i++)
    if (strcmp(name, names[i]) == 0) return *how = i, true;
  return spec_wrong(s, "the behavior `%.40s` is not known", name);
}

static bool cut_split(Spec *s, const json_t *o, bool *l) {
  (void)l;
  TokenizerCut c = {.kind = CUT_MATCHES, .flags = json_flag(o, "invert", false) ? CUT_INVERTED : 0};
  if (!read_behavior(s, o, &c.how) || !read_pattern(s, json_object_get(o, "pattern"), &c.automaton)) return false;
  vec_push(s->arena, &s->cut, c);
  return true;
}

static bool cut_letters(Spec *s, const json_t *o, bool *l) {
  if (json_flag(o, "add_prefix_space", true)) vec_push(s->arena, &s->cut, ((TokenizerCut){.kind = CUT_BLANK}));
  *l = true;
  return !json_flag(o, "use_regex", true) || spec_cut(s, spec_gpt2_pattern, REGEX_ONIGURUMA, MATCHES_ALONE, 0);
}

static bool cut_digits(Spec *s, const json_t *o, bool *l) {
  (void)l;
  return spec_cut(s, "\\p{N}", REGEX_RUST, json_flag(o, "individual_digits", false) ? MATCHES_ALONE : MATCHES_TOGETHER, 0);
}

static bool cut_whitespace(Spec *s, const json_t *o, bool *l) {
  return (void)o, (void)l, spec_cut(s, "\\w+|[^\\w\\s]+", REGEX_RUST, MATCHES_REMOVED, CUT_INVERTED);
}

static bool cut_whitespace_split(Spec *s, const json_t *o, bool *l) { return (void)o, (void)l, spec_cut(s, "\\s", REGEX_RUST, MATCHES_REMOVED, 0); }

/* U+166D and U+111C9 are punctuation to Hugging Face's tokenizers, which know it by Unicode 8; they are so no more. */
static const char punctuation[] = "[\\p{P}!-/:-@\\[-`{-~\\x{166D}\\x{111C9}]";

static bool cut_punctuation(Spec *s, const json_t *o, bool *l) {
  uint32_t how;
  (void)l;
  return read_behavior(s, o, &how) && spec_cut(s, punctuation, REGEX_RUST, how, 0);
}

static bool cut_bert(Spec *s, const json_t *o, bool *l) {
  return cut_whitespace_split(s, o, l) && spec_cut(s, punctuation, REGEX_RUST, MATCHES_ALONE, 0);
}

static bool cut_delimiter(Spec *s, const json_t *o, bool *l) {
  SpecText t = json_text(json_object_get(o, "delimiter"));
  TokenizerCut c = {.kind = CUT_MATCHES, .how = MATCHES_REMOVED};
  (void)l;
  if (!spec_pattern(s, t.at, t.n, REGEX_PLAIN, &c.automaton)) return false;
  vec_push(s->arena, &s->cut, c);
  return true;
}

static bool cut_metaspace(Spec *s, const json_t *o, bool *l) {
  SpecText mark = json_text(json_object_get(o, "replacement"));
  const char *scheme = json_string_value(json_object_get(o, "prepend_scheme"));
  if (!scheme) scheme = json_flag(o, "add_prefix_space", true) ? "always" : "never";
  (void)l;
  if (mark.n == 0) return spec_wrong(s, "Metaspace has no replacement");
  TokenizerCut c = {.kind = CUT_MARKS, .text = spec_put_text(s, mark), .flags = json_flag(o, "split", true) ? CUT_SPLIT : 0};
  if (strcmp(scheme, "always") == 0) c.flags |= CUT_ALWAYS;
  else if (strcmp(scheme, "first") == 0) c.flags |= CUT_FIRST;
  else if (strcmp(scheme, "never") != 0) return spec_wrong(s, "the prepend_scheme `%.40s` is not known", scheme);
  vec_push(s->arena, &s->cut, c);
  return true;
}

static bool cut_sequence(Spec *s, const json_t *o, bool *l) {
  const json_t *all = json_object_get(o, "pretokenizers");
  for (size_t i = 0; i < json_array_size(all); i++)
    if (!json_read_pre_tokenizer(s, json_array_get(all, i), l)) return false;
  return true;
}

static const StepRow pre_tokenizers[] = {
  {"ByteLevel", cut_letters}, {"Split", cut_split}, {"Digits", cut_digits}, {"Whitespace", cut_whitespace},
  {"WhitespaceSplit", cut_whitespace_split}, {"Punctuation", cut_punctuation}, {"BertPreTokenizer", cut_bert},
  {"CharDelimiterSplit", cut_delimiter}, {"Metaspace", cut_metaspace}, {"Sequence", cut_sequence},
};

bool json_read_pre_tokenizer(Spec *s, const json_t *o, bool *letters) {
  if (!json_is_object(o)) return true;
  if (*letters) return spec_wrong(s, "the pre-tokenizer `%.40s` stands behind ByteLevel, which is not read", json_type_name(o));
  return read_step(s, o, letters, pre_tokenizers, sizeof pre_tokenizers / sizeof *pre_tokenizers, "pre-tokenizer");
}

/* ---- decoders ---- */

/* Each changes what is written for a token: `t->write`. */
static SpecText replaced(Spec *s, SpecText in, SpecText what, SpecText by) {
  VEC(char) out = {0};
  for (size_t i = 0; i < in.n;) {
    bool here = what.n && in.n - i >= what.n && memcmp(in.at + i, what.at, what.n) == 0;
    if (!here) vec_push(s->arena, &out, in.at[i]);
    for (size_t k = 0; here && k < by.n; k++) vec_push(s->arena, &out, by.at[k]);
    i += here ? what.n : 1;
  }
  return (SpecText){out.at ? out.at : "", (size_t)out.n};
}

static void replace_all(Spec *s, SpecText what, SpecText by) {
  for (int i = 0; i < s->token.n; i++) {
    SpecToken *t = &s->token.at[i];
    if (t->write.n >= what.n && what.n && memmem(t->write.at, t->write.n, what.at, what.n)) t->write = replaced(s, t->write, what, by);
  }
}

static bool write_replace(Spec *s, const json_t *o, bool *fused) {
  const json_t *pattern = json_object_get(o, "pattern"), *text = json_is_string(pattern) ? pattern : json_object_get(pattern, "String");
  (void)fused;
  if (!json_is_string(text)) return spec_wrong(s, "a decoder replaces a regular expression, which is not read");
  replace_all(s, json_text(text), json_text(json_object_get(o, "content")));
  return true;
}

static bool write_letters(Spec *s, const json_t *o, bool *fused) {
  (void)o, (void)fused;
  for (int i = 0; i < s->token.n; i++) (void)letters_bytes(s->arena, s->token.at[i].write, &s->token.at[i].write);
  return true;
}

static bool write_bytes(Spec *s, const json_t *o, bool *fused) {
  (void)o, (void)fused;
  for (int i = 0; i < s->token.n; i++) {
    int b = s->token.at[i].piece.at ? spec_byte_of(s->token.at[i].write) : -1;
    char byte = (char)b;
    if (b >= 0) s->token.at[i].write = (SpecText){arena_string(s->arena, &byte, 1), 1};
  }
  return true;
}

static bool write_fuse(Spec *s, const json_t *o, bool *fused) { return (void)s, (void)o, *fused = true; }

static void strip_one(SpecText *w, char c, json_int_t start, json_int_t stop) {
  for (; start > 0 && w->n && w->at[0] == c; start--) w->at++, w->n--;
  for (; stop > 0 && w->n && w->at[w->n - 1] == c; stop--) w->n--;
}

static bool write_strip(Spec *s, const json_t *o, bool *fused) {
  SpecText c = json_text(json_object_get(o, "content"));
  json_int_t start = json_integer_value(json_object_get(o, "start")), stop = json_integer_value(json_object_get(o, "stop"));
  if (c.n != 1) return spec_wrong(s, "a decoder strips `%.40s`, and one ASCII character is read", c.at);
  for (int i = 0; !*fused && i < s->token.n; i++) strip_one(&s->token.at[i].write, *c.at, start, stop);
  if (!*fused || (start == 0 && stop == 0)) return true;
  if (*c.at != ' ' || start != 1 || stop != 0) return spec_wrong(s, "a decoder strips a whole text in a way that is not read; one blank at its start is");
  s->head.flags |= TOKENIZER_STRIP;
  return true;
}

static bool write_metaspace(Spec *s, const json_t *o, bool *fused) {
  const char *scheme = json_string_value(json_object_get(o, "prepend_scheme"));
  bool never = scheme ? strcmp(scheme, "never") == 0 : !json_flag(o, "add_prefix_space", true);
  (void)fused;
  replace_all(s, json_text(json_object_get(o, "replacement")), spec_text(" "));
  if (!never) s->head.flags |= TOKENIZER_STRIP_TOKEN;
  return true;
}

/* Blanks that English does not have. */
static void clean_up(Spec *s) {
  static const char *const rules[] = {" .", ".", " ?", "?", " !", "!", " ,", ",", " ' ", "'", " n't", "n't", " 'm", "'m",
                                      " do not", " don't", " 's", "'s", " 've", "'ve", " 're", "'re"};
  for (size_t i = 0; i < sizeof rules / sizeof *rules; i += 2) replace_all(s, spec_text(rules[i]), spec_text(rules[i + 1]));
}

/* With blanks between, but for pieces within words. */
static void write_apart(Spec *s, SpecText prefix) {
  for (int i = 0; i < s->token.n; i++) {
    SpecToken *t = &s->token.at[i];
    bool inner = prefix.n && t->write.n >= prefix.n && memcmp(t->write.at, prefix.at, prefix.n) == 0;
    if (inner) t->write.at += prefix.n, t->write.n -= prefix.n, t->flags |= TOKEN_INNER;
    else t->write = (SpecText){arena_printf(s->arena, " %s", t->write.at ? t->write.at : ""), t->write.n + 1};
  }
  s->head.flags |= TOKENIZER_STRIP;
}

static bool write_wordpiece(Spec *s, const json_t *o, bool *fused) {
  const json_t *prefix = json_object_get(o, "prefix");
  (void)fused;
  write_apart(s, json_is_string(prefix) ? json_text(prefix) : spec_text("##"));
  if (json_flag(o, "cleanup", true)) clean_up(s);
  return true;
}

static bool write_suffix(Spec *s, const json_t *o, bool *fused) {
  const json_t *given = json_object_get(o, "suffix");
  SpecText suffix = json_is_string(given) ? json_text(given) : spec_text("</w>");
  (void)fused;
  for (int i = 0; i < s->token.n; i++) {
    SpecToken *t = &s->token.at[i];
    if (!suffix.n || t->write.n < suffix.n || memcmp(t->write.at + t->write.n - suffix.n, suffix.at, suffix.n) != 0) continue;
    t->write.n -= suffix.n;
    t->flags |= TOKEN_BLANK;
  }
  return true;
}

static bool write_sequence(Spec *s, const json_t *o, bool *fused);

static const StepRow decoders[] = {
  {"ByteLevel", write_letters}, {"Replace", write_replace}, {"ByteFallback", write_bytes}, {"Fuse", write_fuse}, {"Strip", write_strip},
  {"Metaspace", write_metaspace}, {"WordPiece", write_wordpiece}, {"BPEDecoder", write_suffix}, {"Sequence", write_sequence},
};

static bool write_step(Spec *s, const json_t *o, bool *fused) {
  return read_step(s, o, fused, decoders, sizeof decoders / sizeof *decoders, "decoder");
}

static bool write_sequence(Spec *s, const json_t *o, bool *fused) {
  const json_t *all = json_object_get(o, "decoders");
  for (size_t i = 0; i < json_array_size(all); i++)
    if (!write_step(s, json_array_get(all, i), fused)) return false;
  return true;
}

bool json_read_decoder(Spec *s, const json_t *o) {
  bool fused = false;
  if (!json_is_object(o)) return write_apart(s, (SpecText){0}), true;
  return write_step(s, o, &fused);
}
