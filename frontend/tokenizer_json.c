/* tokenizer_json.c -- reads Hugging Face's tokenizer.json: the model and its tokens. */
#include <inttypes.h>

#include <jansson.h>

#include "frontend/tokenizer_json.h"

/* ---- JSON ---- */

const char *json_type_name(const json_t *o) {
  const char *type = json_string_value(json_object_get(o, "type"));
  return type ? type : "(none)";
}

SpecText json_text(const json_t *o) {
  return json_is_string(o) ? (SpecText){json_string_value(o), json_string_length(o)} : (SpecText){"", 0};
}

bool json_flag(const json_t *o, const char *key, bool otherwise) {
  const json_t *v = json_object_get(o, key);
  return json_is_boolean(v) ? json_is_true(v) : otherwise;
}

/* What is needed when the file is closed. */
static SpecText kept(const Spec *s, SpecText t) { return (SpecText){arena_string(s->arena, t.at, t.n), t.n}; }

/* ---- words ---- */

static bool read_words(Spec *s, const json_t *vocab) {
  const char *piece;
  json_t *id;
  if (!json_is_object(vocab)) return spec_wrong(s, "`model.vocab` is no object");
  json_object_foreach((json_t *)(uintptr_t)vocab, piece, id) {
    if (!json_is_integer(id)) return spec_wrong(s, "the token `%.40s` has no number", piece);
    if (!spec_token(s, json_integer_value(id), spec_text(piece), 0, 0)) return false;
  }
  return true;
}

static bool read_unknown(Spec *s, const json_t *model) {
  const json_t *unknown = json_object_get(model, "unk_token");
  if (!json_is_string(unknown)) return true;
  s->head.unknown = spec_find(s, json_text(unknown));
  return s->head.unknown >= 0 || spec_wrong(s, "the unknown token `%.40s` is not in the vocabulary", json_string_value(unknown));
}

/* ---- BPE ---- */

/* "a b", or ["a", "b"]. */
static bool take_merge(const Spec *s, const json_t *merge, SpecText *a, SpecText *b) {
  if (json_is_array(merge) && json_array_size(merge) == 2) {
    *a = json_text(json_array_get(merge, 0));
    *b = json_text(json_array_get(merge, 1));
    return a->n && b->n;
  }
  SpecText both = json_text(merge);
  const char *blank = memchr(both.at, ' ', both.n);
  if (!blank) return false;
  *a = (SpecText){both.at, (size_t)(blank - both.at)};
  *b = (SpecText){blank + 1, both.n - a->n - 1};
  (void)s;
  return a->n && b->n && !memchr(b->at, ' ', b->n);
}

static bool read_merge(Spec *s, const json_t *merge, size_t rank) {
  SpecText a, b;
  char both[2 * MAX_PIECE];
  if (!take_merge(s, merge, &a, &b)) return spec_wrong(s, "merge %zu is no pair of tokens", rank);
  int32_t x = spec_find(s, a), y = spec_find(s, b);
  if (x < 0 || y < 0) return spec_wrong(s, "merge %zu joins `%.40s`, which is no token", rank, x < 0 ? a.at : b.at);
  size_t skip = s->inner.n && b.n > s->inner.n && memcmp(b.at, s->inner.at, s->inner.n) == 0 ? s->inner.n : 0;
  memcpy(both, a.at, a.n);
  memcpy(both + a.n, b.at + skip, b.n - skip);
  int32_t made = spec_find(s, (SpecText){both, a.n + b.n - skip});
  if (made < 0) return spec_wrong(s, "merge %zu makes `%.*s`, which is no token", rank, (int)(a.n + b.n - skip), both);
  return spec_pair(s, x, y, made, (uint32_t)rank);
}

static bool read_bpe(Spec *s, const json_t *model) {
  const json_t *merges = json_object_get(model, "merges");
  s->head.kind = TOKENIZER_BPE;
  if (!read_words(s, json_object_get(model, "vocab")) || !read_unknown(s, model)) return false;
  if (!json_is_array(merges)) return spec_wrong(s, "`model.merges` is no list");
  s->inner = json_text(json_object_get(model, "continuing_subword_prefix"));
  s->last = json_text(json_object_get(model, "end_of_word_suffix"));
  s->inner = kept(s, s->inner), s->last = kept(s, s->last);
  if (s->inner.n > MAX_PIECE || s->last.n > MAX_PIECE) return spec_wrong(s, "`continuing_subword_prefix` or `end_of_word_suffix` is too long");
  for (size_t i = 0; i < json_array_size(merges); i++)
    if (!read_merge(s, json_array_get(merges, i), i)) return false;
  if (json_flag(model, "fuse_unk", false)) s->head.flags |= TOKENIZER_FUSE;
  if (json_flag(model, "ignore_merges", false)) s->head.flags |= TOKENIZER_WHOLE;
  return !json_flag(model, "byte_fallback", false) || spec_fallback(s);
}

/* ---- Unigram ---- */

enum { UNKNOWN_PENALTY = 10 };

static bool read_unigram(Spec *s, const json_t *model) {
  const json_t *vocab = json_object_get(model, "vocab"), *unknown = json_object_get(model, "unk_id");
  double least = 0;
  s->head.kind = TOKENIZER_UNIGRAM;
  if (!json_is_array(vocab)) return spec_wrong(s, "`model.vocab` is no list");
  for (size_t i = 0; i < json_array_size(vocab); i++) {
    const json_t *piece = json_array_get(json_array_get(vocab, i), 0), *score = json_array_get(json_array_get(vocab, i), 1);
    if (!json_is_string(piece) || !json_is_number(score)) return spec_wrong(s, "entry %zu of the vocabulary is no piece with a score", i);
    if (!spec_token(s, (int64_t)i, json_text(piece), json_number_value(score), 0)) return false;
    if (i == 0 || json_number_value(score) < least) least = json_number_value(score);
  }
  s->head.unknown_score = (float)(least - UNKNOWN_PENALTY);
  s->head.flags |= TOKENIZER_FUSE;
  if (json_is_integer(unknown)) s->head.unknown = (int32_t)json_integer_value(unknown);
  if (json_is_integer(unknown) && (json_integer_value(unknown) < 0 || json_integer_value(unknown) >= s->token.n))
    return spec_wrong(s, "`unk_id` is %" JSON_INTEGER_FORMAT ", and there are %d tokens", json_integer_value(unknown), s->token.n);
  return !json_flag(model, "byte_fallback", false) || spec_fallback(s);
}

/* ---- WordPiece, and whole words ---- */

static bool read_wordpiece(Spec *s, const json_t *model) {
  const json_t *longest = json_object_get(model, "max_input_chars_per_word");
  s->head.kind = TOKENIZER_WORDPIECE;
  s->head.longest = json_is_integer(longest) && json_integer_value(longest) >= 0 && json_integer_value(longest) < INT32_MAX ? (int32_t)json_integer_value(longest) : 100;
  s->inner = json_is_string(json_object_get(model, "continuing_subword_prefix")) ? json_text(json_object_get(model, "continuing_subword_prefix")) : spec_text("##");
  s->inner = kept(s, s->inner);
  return read_words(s, json_object_get(model, "vocab")) && read_unknown(s, model);
}

/* A word is a token or unknown: as if no piece could stand within. */
static bool read_wordlevel(Spec *s, const json_t *model) {
  s->head.kind = TOKENIZER_WORDPIECE;
  s->head.longest = INT32_MAX - 1;
  s->head.flags |= TOKENIZER_WHOLE;
  return read_words(s, json_object_get(model, "vocab")) && read_unknown(s, model);
}

static const struct {
  const char *name, *key; /* where no type is named: a key that only it has */
  bool (*read)(Spec *, const json_t *);
} models[] = {{"BPE", "merges", read_bpe}, {"Unigram", "unk_id", read_unigram}, {"WordPiece", "max_input_chars_per_word", read_wordpiece}, {"WordLevel", "unk_token", read_wordlevel}};

static bool read_model(Spec *s, const json_t *model) {
  const json_t *type = json_object_get(model, "type");
  for (size_t i = 0; i < sizeof models / sizeof *models; i++)
    if (type ? strcmp(json_type_name(model), models[i].name) == 0 : json_object_get(model, models[i].key) != NULL) return models[i].read(s, model);
  return spec_wrong(s, "the model is of the type `%.40s`; BPE, Unigram, WordPiece and WordLevel are read", json_type_name(model));
}

/* ---- signs ---- */

static bool read_sign(Spec *s, const json_t *added) {
  static const struct {
    const char *key;
    uint32_t flag;
  } flags[] = {{"special", SIGN_SPECIAL}, {"lstrip", SIGN_LEFT}, {"rstrip", SIGN_RIGHT}, {"single_word", SIGN_WORD}};
  SpecText text = json_text(json_object_get(added, "content"));
  const json_t *id = json_object_get(added, "id");
  SpecSign sign = {.text = text};
  if (!json_is_string(json_object_get(added, "content")) || !json_is_integer(id)) return spec_wrong(s, "an entry of `added_tokens` has no content or no id");
  if (text.n > MAX_PIECE) return spec_wrong(s, "the token %" JSON_INTEGER_FORMAT " is %zu bytes long, and %d are read", json_integer_value(id), text.n, MAX_PIECE);
  int32_t there = spec_find(s, text);
  bool known = there >= 0 && there == json_integer_value(id);
  if (!known && !spec_token(s, json_integer_value(id), text, 0, TOKEN_HIDDEN)) return false;
  for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
    if (json_flag(added, flags[i].key, false)) sign.sign.flags |= flags[i].flag;
  sign.sign.token = (int32_t)json_integer_value(id);
  if (sign.sign.flags & SIGN_SPECIAL) s->token.at[sign.sign.token].flags |= TOKEN_SPECIAL;
  sign.text.at = arena_string(s->arena, text.at, text.n);
  if (json_flag(added, "normalized", !(sign.sign.flags & SIGN_SPECIAL))) vec_push(s->arena, &s->late, sign);
  else vec_push(s->arena, &s->early, sign);
  return true;
}

static bool read_signs(Spec *s, const json_t *added) {
  for (size_t i = 0; i < json_array_size(added); i++)
    if (!read_sign(s, json_array_get(added, i))) return false;
  return true;
}

/* ---- what is added ---- */

static bool add_ids(Spec *s, const json_t *ids, const char *name, VecIds *to) {
  for (size_t i = 0; i < json_array_size(ids); i++) {
    json_int_t id = json_integer_value(json_array_get(ids, i));
    if (id < 0 || id >= s->token.n) return spec_wrong(s, "the template's token `%.40s` has the number %" JSON_INTEGER_FORMAT ", and there are %d", name, id, s->token.n);
    vec_push(s->arena, to, (int32_t)id);
  }
  return true;
}

static bool read_template(Spec *s, const json_t *p) {
  const json_t *single = json_object_get(p, "single"), *named = json_object_get(p, "special_tokens");
  VecIds before = {0}, behind = {0};
  bool text = false;
  for (size_t i = 0; i < json_array_size(single); i++) {
    const json_t *item = json_array_get(single, i), *sequence = json_object_get(item, "Sequence");
    const char *name = json_string_value(json_object_get(json_object_get(item, "SpecialToken"), "id"));
    if (sequence && text) return spec_wrong(s, "the template has the text twice");
    if (sequence) text = true;
    else if (!name || !json_is_object(json_object_get(named, name))) return spec_wrong(s, "the template names a token `%.40s` that it does not have", name ? name : "(none)");
    else if (!add_ids(s, json_object_get(json_object_get(named, name), "ids"), name, text ? &behind : &before)) return false;
  }
  return spec_surround(s, &before, &behind);
}

/* The latest stands outside. */
bool spec_surround(Spec *s, const VecIds *before, const VecIds *behind) {
  VecIds all = {0};
  for (int i = 0; i < before->n; i++) vec_push(s->arena, &all, before->at[i]);
  for (int i = 0; i < s->before.n; i++) vec_push(s->arena, &all, s->before.at[i]);
  for (int i = 0; i < behind->n; i++) vec_push(s->arena, &s->behind, behind->at[i]);
  s->before.at = all.at, s->before.n = all.n, s->before.cap = all.cap;
  return true;
}

static bool read_pair(Spec *s, const json_t *p, const char *key, VecIds *to) {
  const json_t *id = json_array_get(json_object_get(p, key), 1);
  if (!json_is_integer(id) || json_integer_value(id) < 0 || json_integer_value(id) >= s->token.n)
    return spec_wrong(s, "the post-processor's `%s` is no token with its number", key);
  vec_push(s->arena, to, (int32_t)json_integer_value(id));
  return true;
}

static bool read_bert_frame(Spec *s, const json_t *p) {
  VecIds before = {0}, behind = {0};
  return read_pair(s, p, "cls", &before) && read_pair(s, p, "sep", &behind) && spec_surround(s, &before, &behind);
}

static bool read_frame(Spec *s, const json_t *p) {
  const char *type = json_type_name(p);
  const json_t *all = json_object_get(p, "processors");
  if (!json_is_object(p) || strcmp(type, "ByteLevel") == 0) return true;
  if (strcmp(type, "TemplateProcessing") == 0) return read_template(s, p);
  if (strcmp(type, "BertProcessing") == 0 || strcmp(type, "RobertaProcessing") == 0) return read_bert_frame(s, p);
  if (strcmp(type, "Sequence") != 0) return spec_wrong(s, "the post-processor `%.40s` is not read", type);
  for (size_t i = 0; i < json_array_size(all); i++)
    if (!read_frame(s, json_array_get(all, i))) return false;
  return true;
}

/* ---- the file ---- */

static bool read_all(Spec *s, const json_t *root) {
  bool letters = false;
  if (!read_model(s, json_object_get(root, "model")) || !read_signs(s, json_object_get(root, "added_tokens"))) return false;
  if (!json_read_normalizer(s, json_object_get(root, "normalizer"), &letters)) return false;
  if (!json_read_pre_tokenizer(s, json_object_get(root, "pre_tokenizer"), &letters)) return false;
  if (!json_read_decoder(s, json_object_get(root, "decoder"))) return false;
  if (letters && s->head.kind != TOKENIZER_BPE) return spec_wrong(s, "ByteLevel stands with a model that is no BPE, which is not read");
  if (letters) spec_letters(s);
  return read_frame(s, json_object_get(root, "post_processor"));
}

bool tokenizer_read_json(Spec *s, const char *path) {
  json_error_t error;
  json_t *root = json_load_file(path, JSON_ALLOW_NUL, &error);
  if (!root) {
    s->loc.line = error.line > 0 ? error.line : 0;
    return spec_wrong(s, "%s", error.text);
  }
  bool good = json_is_object(json_object_get(root, "model")) ? read_all(s, root) : spec_wrong(s, "this is no tokenizer.json: it has no `model`");
  json_decref(root);
  return good;
}
