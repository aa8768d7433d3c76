/* tokenizer_tables.h -- what the compiler and the runtime agree on: a tokenizer as one piece of read-only memory.
 *
 * It begins with a header; all else is found by offsets from there, multiples of 8. Numbers are little-endian. */
#ifndef LRT_TOKENIZER_TABLES_H
#define LRT_TOKENIZER_TABLES_H

#include <stdint.h>

#define TOKENIZER_MAGIC "lathe t1"

enum { TOKENIZER_BPE, TOKENIZER_UNIGRAM, TOKENIZER_WORDPIECE };

enum {
  TOKENIZER_BYTES = 1 << 0,         /* BPE joins bytes, and not characters */
  TOKENIZER_FALLBACK = 1 << 1,      /* what is no token becomes tokens of its bytes */
  TOKENIZER_FUSE = 1 << 2,          /* unknown neighbours are one unknown token */
  TOKENIZER_WHOLE = 1 << 3,         /* a word that is a token is taken as it is */
  TOKENIZER_FLOAT = 1 << 4,         /* one sum of likelihoods runs through the whole text, in f32, as SentencePiece has it */
  TOKENIZER_PLAIN = 1 << 5,         /* special tokens are not looked for in text */
  TOKENIZER_RUNS = 1 << 6,          /* unknown neighbours are one over the ends of words, too */
  TOKENIZER_STRIP = 1 << 7,         /* decoding: a blank at the very beginning is left out */
  TOKENIZER_STRIP_TOKEN = 1 << 8,   /* or all of them in the first token */
  TOKENIZER_STRIP_TEXT = 1 << 9,    /* or all of them */
};

/* A class for each code point: block[at[c >> 8] * 256 + (c & 255)]. */
typedef struct TokenizerClasses {
  uint32_t at, block; /* u16[4352], u8[] */
} TokenizerClasses;

/* Reads a class at a time; each word of `step` is the next state, and whether a match ends before this class. The last
 * class is the end of the text; state 0 is the end of all hope. */
typedef struct TokenizerAutomaton {
  TokenizerClasses of;
  uint32_t n_classes, start, step; /* u32[states][n_classes << n_ahead] */
  uint32_t ahead, n_ahead;         /* TokenizerAhead[] */
} TokenizerAutomaton;

#define TOKENIZER_ENDS 0x80000000u

/* What may follow a place, which a pass from the end of the text finds out: it does where the state that is reached has
 * TOKENIZER_ENDS. Classes are the automaton's; what the k-th says of a place adds n_classes << k to its class. */
typedef struct TokenizerAhead {
  uint32_t start, step; /* u32[states][n_classes] */
} TokenizerAhead;

enum { MAX_AHEAD = 4 };

/* Words by their bytes: the child of unit u by byte b is unit base + b, if its parent is u. Unit 0 is the root. There are 256
 * units behind the last, so that each child can be looked at. */
typedef struct TokenizerUnit {
  uint32_t base, parent;
  int32_t value; /* or -1 */
} TokenizerUnit;

/* What happens to a text before it is cut, in this order. */
enum {
  NORMAL_MAP,      /* each character becomes a text: map, strings; HANGUL: syllables come apart */
  NORMAL_ORDER,    /* marks stand in canonical order: classes; COMPOSED: and are joined to their letters by pairs */
  NORMAL_REPLACE,  /* each match of an automaton becomes a text */
  NORMAL_PREPEND,  /* a text that is not empty begins with this one */
  NORMAL_STRIP,    /* white space is cut off: LEFT, RIGHT */
  NORMAL_PIECES,   /* SentencePiece's: the longest match in a table becomes another text; blanks are trimmed, marked, put first */
  NORMAL_GRAPHEMES /* the same table by graphemes, as Hugging Face's tokenizers read it; an automaton finds them */
};

enum { NORMAL_APART = 0xffff }; /* in a map: the character with blanks around it */
enum { NORMAL_HANGUL = 1, NORMAL_COMPOSED = 1, NORMAL_LEFT = 1, NORMAL_RIGHT = 2 };
enum { PIECES_TRIM = 1, PIECES_MARK = 2, PIECES_FIRST = 4, PIECES_LAST = 8 };

typedef struct TokenizerText {
  uint32_t at, n;
} TokenizerText;

typedef struct TokenizerNormal {
  uint32_t kind, flags;
  TokenizerText text;       /* REPLACE, PREPEND; PIECES: the texts of the table, each ends with a 0 */
  uint32_t map, blocks;     /* MAP: u16[4352], u16[][256]: 0, or which of the strings. PIECES: u32 units of a darts trie, and how many */
  uint32_t strings;         /* MAP: TokenizerText[] */
  TokenizerClasses classes; /* ORDER */
  uint32_t pairs, n_pairs;  /* ORDER: u32[3], sorted: first, second, both */
  uint32_t kept;            /* PIECES: TokenizerUnit[], texts that are left as they are; or 0 */
  uint32_t automaton;       /* REPLACE, GRAPHEMES */
} TokenizerNormal;

/* How a text is cut in words, in this order. */
enum {
  CUT_MATCHES, /* by the matches of an automaton */
  CUT_MARKS,   /* blanks are marked, the text begins with a mark, and words begin with marks */
  CUT_BLANK,   /* a text begins with a blank */
  CUT_RUNS     /* where no token reaches over: before marks that stand behind something else. Text stands in for the mark */
};

enum { MATCHES_ALONE, MATCHES_REMOVED, MATCHES_BEFORE, MATCHES_AFTER, MATCHES_TOGETHER };
enum { CUT_INVERTED = 1, CUT_ALWAYS = 2, CUT_FIRST = 4, CUT_SPLIT = 8 };

typedef struct TokenizerCut {
  uint32_t kind, how, flags;
  uint32_t automaton; /* MATCHES */
  TokenizerText text; /* MARKS, RUNS: the mark */
} TokenizerCut;

/* Tokens that are looked for in a text before all else: values of the trie are numbers of signs. */
enum { SIGN_SPECIAL = 1, SIGN_LEFT = 2, SIGN_RIGHT = 4, SIGN_WORD = 8 };

typedef struct TokenizerSign {
  int32_t token;
  uint32_t flags;
} TokenizerSign;

typedef struct TokenizerSigns {
  uint32_t trie, sign, n; /* TokenizerUnit[], TokenizerSign[] */
} TokenizerSigns;

/* Two tokens that are joined; first is -1 where the slot is empty. */
typedef struct TokenizerPair {
  int32_t first, second;
  uint32_t rank; /* the lowest is joined first */
  int32_t both;
} TokenizerPair;

/* What a token is: a sign and no text; one behind which a blank is due where another follows; one at all; one that is
 * written as its piece at the beginning of a text; one that no word is; one that keeps its blanks at the beginning. */
enum { TOKEN_SPECIAL = 1, TOKEN_BLANK = 2, TOKEN_THERE = 4, TOKEN_INNER = 8, TOKEN_HIDDEN = 16, TOKEN_KEPT = 32 };

typedef struct TokenizerTables {
  char magic[8];
  uint32_t size, kind, flags;
  int32_t n;               /* tokens */
  int32_t unknown;         /* a token, or -1 */
  int32_t longest;         /* WORDPIECE: longer words, in characters, are unknown */
  float unknown_score;     /* UNIGRAM */
  uint32_t ends, text;     /* u32[n]; pieces, one behind another; of those without a piece, both ends are the same */
  uint32_t slots, n_slots; /* i32: pieces by their hash; how many, a power of two */
  uint32_t token;          /* u8[n]: TOKEN_... */
  uint32_t write_ends, write_text; /* u32[n]: what is written for each */
  uint32_t pair, n_pairs;  /* BPE: TokenizerPair[], a power of two */
  uint32_t near;           /* BPE: u8[256 * 32], a bit for each two bytes that stand side by side in some token */
  uint32_t byte;           /* i32[256]: BYTES, FALLBACK: a byte's token */
  uint32_t trie, inner;    /* UNIGRAM, WORDPIECE: TokenizerUnit[]; of pieces within a word */
  uint32_t scores;         /* UNIGRAM: f64[n] */
  TokenizerText inner_prefix, last_suffix; /* BPE: what a character's piece has in front within a word, and behind at its end */
  uint32_t normal, n_normal; /* TokenizerNormal[] */
  uint32_t cut, n_cuts;      /* TokenizerCut[] */
  TokenizerSigns early, late; /* in the text as it is; as it was normalised */
  TokenizerClasses word;     /* class 1: characters of words; at is 0 where no sign asks */
  uint32_t before, n_before, behind, n_behind; /* i32: tokens that are added */
} TokenizerTables;

static inline uint64_t tokenizer_hash(const uint8_t *s, uint64_t n) {
  uint64_t h = n * 0x9E3779B97F4A7C15u;
  for (; n >= 8; s += 8, n -= 8) {
    uint64_t w;
    __builtin_memcpy(&w, s, 8);
    h = (h ^ w) * 0xBF58476D1CE4E5B9u;
    h ^= h >> 29;
  }
  uint64_t w = 0;
  for (uint64_t i = 0; i < n; i++) w |= (uint64_t)s[i] << 8 * i;
  h = (h ^ w) * 0xBF58476D1CE4E5B9u;
  return h ^ h >> 32;
}

static inline uint64_t tokenizer_pair_hash(int32_t a, int32_t b) {
  uint64_t h = ((uint64_t)(uint32_t)a << 32 | (uint32_t)b) * 0x9E3779B97F4A7C15u;
  return h ^ h >> 32;
}

/* The character at s, n > 0 bytes before the end, and how many bytes it takes. What is no UTF-8 counts as U+FFFD, as many
 * bytes at a time as could begin a character (so Unicode recommends, chapter 3.9); `*good` says which it was. */
static inline uint64_t tokenizer_take(const uint8_t *s, uint64_t n, uint32_t *c, int *good) {
  static const uint8_t low[] = {0x80, 0xa0, 0x90}, high[] = {0xbf, 0x9f, 0x8f};
  uint32_t lead = s[0];
  *good = 1;
  if (lead < 0x80) return *c = lead, 1;
  uint64_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2, i = 1;
  uint32_t v = lead & (0xffu >> (length + 1));
  uint8_t least = lead == 0xe0 ? low[1] : lead == 0xf0 ? low[2] : low[0], most = lead == 0xed ? high[1] : lead == 0xf4 ? high[2] : high[0];
  *good = 0;
  *c = 0xfffd;
  if (lead < 0xc2 || lead > 0xf4) return 1;
  for (; i < length; i++, least = low[0], most = high[0]) {
    if (i >= n || s[i] < least || s[i] > most) return i;
    v = v << 6 | (s[i] & 63u);
  }
  *good = 1;
  *c = v;
  return length;
}

static inline uint64_t tokenizer_put(uint8_t *to, uint32_t c) {
  if (c < 0x80) return to[0] = (uint8_t)c, 1;
  uint64_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
  for (uint64_t i = n - 1; i > 0; i--, c >>= 6) to[i] = (uint8_t)(0x80 | (c & 63));
  to[0] = (uint8_t)((n == 2 ? 0xc0 : n == 3 ? 0xe0 : 0xf0) | c);
  return n;
}

/* Unicode's White_Space. */
static inline int tokenizer_is_space(uint32_t c) {
  return c == ' ' || (c >= 9 && c <= 13) || c == 0x85 || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 ||
         c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

#endif
