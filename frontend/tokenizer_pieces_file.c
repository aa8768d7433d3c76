/* tokenizer_pieces_file.c -- reads SentencePiece's tokenizer.model, a protobuf message. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "frontend/tokenizer_spec.h"

enum { PIECE_NORMAL = 1, PIECE_UNKNOWN, PIECE_CONTROL, PIECE_USER, PIECE_UNUSED, PIECE_BYTE };
enum { MODEL_UNIGRAM = 1, MODEL_BPE };

/* ---- the wire format ---- */

typedef struct Wire {
  const uint8_t *at, *end;
} Wire;

typedef struct WireField {
  uint32_t number, type;
  uint64_t value;   /* of numbers */
  Wire bytes;       /* of all else */
} WireField;

static bool take_number(Wire *w, uint64_t *out) {
  *out = 0;
  for (int shift = 0; shift < 64 && w->at < w->end; shift += 7) {
    uint8_t b = *w->at++;
    *out |= (uint64_t)(b & 127) << shift;
    if (b < 128) return true;
  }
  return false;
}

static bool take_bytes(Wire *w, uint64_t n, WireField *f) {
  if (n > (uint64_t)(w->end - w->at)) return false;
  f->bytes = (Wire){w->at, w->at + n};
  w->at += n;
  for (uint64_t i = 0; i < n && i < 8 && f->type != 2; i++) f->value |= (uint64_t)f->bytes.at[i] << 8 * i;
  return true;
}

/* The next field; false at what is none. */
static bool take_field(Wire *w, WireField *f) {
  uint64_t tag, n;
  *f = (WireField){0};
  if (!take_number(w, &tag) || tag >> 3 == 0 || tag >> 32) return false;
  f->number = (uint32_t)(tag >> 3);
  f->type = tag & 7;
  if (f->type == 0) return take_number(w, &f->value);
  if (f->type == 1) return take_bytes(w, 8, f);
  if (f->type == 5) return take_bytes(w, 4, f);
  return f->type == 2 && take_number(w, &n) && take_bytes(w, n, f);
}

/* ---- what it says ---- */

typedef struct Pieces {
  Spec *s;
  Wire all;
  uint64_t kind;
  bool fallback, suffix; /* blanks stand behind words */
  bool first, trim, mark;
  Wire table;
  SpecText surface; /* what is written for the unknown token */
  VEC(SpecText) kept; /* texts that are left as they are */
  VEC(int32_t) kept_id;
  double least, most; /* scores of words; SentencePiece has the largest begin with what is nearly 0, too */
} Pieces;

static bool damaged(const Pieces *p, Wire w) {
  return spec_wrong(p->s, "this is no SentencePiece model: at byte %td it is no protobuf message", w.at - p->all.at);
}

static float as_float(uint64_t bits) {
  uint32_t low = (uint32_t)bits;
  float f;
  memcpy(&f, &low, sizeof f);
  return f;
}

static bool add_piece(Pieces *p, SpecText text, double score, uint64_t kind) {
  Spec *s = p->s;
  int32_t id = s->token.n;
  bool hidden = kind == PIECE_UNKNOWN || kind == PIECE_CONTROL || kind == PIECE_BYTE || kind == PIECE_UNUSED;
  uint8_t flags = (uint8_t)((hidden ? TOKEN_HIDDEN : 0) | (kind == PIECE_CONTROL ? TOKEN_SPECIAL : 0));
  if (score != score || score > 1e30 || score < -1e30) return spec_wrong(s, "the score of piece %d is %g", id, score);
  if (!spec_token(s, id, text, score, flags)) return false;
  if (kind == PIECE_UNKNOWN) s->head.unknown = id;
  if (kind == PIECE_CONTROL || kind == PIECE_UNKNOWN)
    vec_push(s->arena, &s->early, ((SpecSign){s->token.at[id].piece, {id, SIGN_SPECIAL}}));
  if (kind == PIECE_BYTE && spec_byte_of(text) < 0) return spec_wrong(s, "the piece `%.40s` is said to be a byte; bytes are <0x00> to <0xFF>", s->token.at[id].piece.at);
  if (kind == PIECE_USER) {
    vec_push(s->arena, &p->kept, s->token.at[id].piece);
    vec_push(s->arena, &p->kept_id, id);
  }
  if (kind == PIECE_NORMAL && score < p->least) p->least = score;
  if (kind == PIECE_NORMAL && score > p->most) p->most = score;
  return true;
}

static bool read_piece(Pieces *p, Wire w) {
  SpecText text = {"", 0};
  double score = 0;
  uint64_t kind = PIECE_NORMAL;
  for (WireField f; w.at < w.end;) {
    if (!take_field(&w, &f)) return damaged(p, w);
    if (f.number == 1) text = (SpecText){(const char *)f.bytes.at, (size_t)(f.bytes.end - f.bytes.at)};
    if (f.number == 2) score = as_float(f.value);
    if (f.number == 3) kind = f.value;
  }
  if (text.n == 0) return spec_wrong(p->s, "piece %d is empty", p->s->token.n);
  return add_piece(p, text, score, kind);
}

static bool read_trainer(Pieces *p, Wire w) {
  for (WireField f; w.at < w.end;) {
    if (!take_field(&w, &f)) return damaged(p, w);
    if (f.number == 3) p->kind = f.value;
    if (f.number == 24) p->suffix = f.value != 0;
    if (f.number == 35) p->fallback = f.value != 0;
    if (f.number == 44) p->surface = (SpecText){(const char *)f.bytes.at, (size_t)(f.bytes.end - f.bytes.at)};
  }
  return true;
}

static bool read_normalizer(Pieces *p, Wire w) {
  for (WireField f; w.at < w.end;) {
    if (!take_field(&w, &f)) return damaged(p, w);
    if (f.number == 2) p->table = f.bytes;
    if (f.number == 3) p->first = f.value != 0;
    if (f.number == 4) p->trim = f.value != 0;
    if (f.number == 5) p->mark = f.value != 0;
  }
  return true;
}

static bool read_message(Pieces *p, Wire w) {
  for (WireField f; w.at < w.end;) {
    if (!take_field(&w, &f)) return damaged(p, w);
    if (f.number <= 3 && f.type != 2) return damaged(p, w);
    if (f.number == 1 && !read_piece(p, f.bytes)) return false;
    if (f.number == 2 && !read_trainer(p, f.bytes)) return false;
    if (f.number == 3 && !read_normalizer(p, f.bytes)) return false;
  }
  return true;
}

/* ---- the tables ---- */

static bool add_normal(Pieces *p) {
  Spec *s = p->s;
  TokenizerNormal k = {.kind = NORMAL_PIECES};
  k.flags = (p->trim ? PIECES_TRIM : 0u) | (p->mark ? PIECES_MARK : 0u) | (p->first ? (p->suffix ? PIECES_LAST : PIECES_FIRST) : 0u);
  if (!spec_charsmap(s, p->table.at, (size_t)(p->table.end - p->table.at), &k)) return false;
  if (p->kept.n) k.kept = spec_put_trie(s, p->kept.at, p->kept_id.at, p->kept.n);
  vec_push(s->arena, &s->normal, k);
  return true;
}

/* What text becomes these tokens is said by the file; what they are written as follows. */
static void write_pieces(Pieces *p) {
  Spec *s = p->s;
  for (int i = 0; i < s->token.n; i++) {
    SpecToken *t = &s->token.at[i];
    int b = t->flags & TOKEN_HIDDEN ? spec_byte_of(t->piece) : -1;
    char byte = (char)b, *to = arena_alloc(s->arena, t->piece.n + 1);
    size_t n = 0;
    for (size_t k = 0; k < t->piece.n; n++) {
      bool mark = t->piece.n - k >= 3 && memcmp(t->piece.at + k, "\xe2\x96\x81", 3) == 0;
      to[n] = mark ? ' ' : t->piece.at[k];
      k += mark ? 3 : 1;
    }
    t->write = b >= 0 ? (SpecText){arena_string(s->arena, &byte, 1), 1} : (SpecText){to, n};
  }
  if (s->head.unknown >= 0) {
    s->token.at[s->head.unknown].write = p->surface;
    s->token.at[s->head.unknown].flags |= TOKEN_KEPT;
  }
  s->head.flags |= p->trim ? TOKENIZER_STRIP_TEXT : p->first ? TOKENIZER_STRIP : 0u;
}

/* User's pieces are as likely as so many of the likeliest, less a little. */
static void score_kept(Pieces *p) {
  for (int i = 0; i < p->kept.n; i++) {
    size_t n = p->kept.at[i].n;
    p->s->token.at[p->kept_id.at[i]].score = (double)((float)n * (float)p->most) - 0.1;
  }
}

static bool finish(Pieces *p) {
  Spec *s = p->s;
  if (p->kind != MODEL_UNIGRAM && p->kind != MODEL_BPE)
    return spec_wrong(s, "the model is of kind %" PRIu64 "; unigram (1) and BPE (2) are read", p->kind);
  s->head.kind = p->kind == MODEL_BPE ? TOKENIZER_BPE : TOKENIZER_UNIGRAM;
  s->head.flags |= TOKENIZER_PLAIN | TOKENIZER_FUSE | TOKENIZER_RUNS;
  if (!add_normal(p) || (p->fallback && !spec_fallback(s))) return false;
  if (p->kind == MODEL_UNIGRAM) {
    s->head.flags |= TOKENIZER_FLOAT;
    s->head.unknown_score = (float)p->least - 10.0f;
    score_kept(p);
  } else {
    for (int i = 0; i < p->kept.n; i++) vec_push(s->arena, &s->late, ((SpecSign){p->kept.at[i], {p->kept_id.at[i], 0}}));
    s->late_as_is = true;
    if (!spec_pairs_by_score(s)) return false;
  }
  write_pieces(p);
  spec_mark_cut(s);
  return true;
}

/* ---- the file ---- */

static bool read_file(Spec *s, const char *path, TokenizerBytes *out) {
  FILE *f = fopen(path, "rb");
  if (!f) return spec_wrong(s, "cannot open: %s", strerror(errno));
  for (int c; (c = fgetc(f)) != EOF && out->n < INT32_MAX - 1;) vec_push(s->arena, out, (uint8_t)c);
  bool failed = ferror(f) != 0;
  fclose(f);
  return !failed || spec_wrong(s, "cannot read: %s", strerror(errno));
}

bool tokenizer_read_pieces(Spec *s, const char *path) {
  TokenizerBytes file = {0};
  Pieces p = {.s = s, .kind = MODEL_UNIGRAM, .first = true, .trim = true, .mark = true, .surface = spec_text(" \xe2\x81\x87 "), .least = 1e30, .most = 0};
  if (!read_file(s, path, &file)) return false;
  p.all = (Wire){file.at, file.at + file.n};
  if (file.n == 0) return spec_wrong(s, "the file is empty");
  return read_message(&p, p.all) && finish(&p);
}
