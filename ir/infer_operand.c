/* infer_operand.c -- what operands must be: the checks that the inference of several ops shares. */
#include "ir/infer.h"

#include "ir/fatal.h"

bool infer_float(Infer *c, int operand, const char *what) {
  Type t = infer_in(c, operand);
  if (!t) return true;
  if (type_is_tensor(t) && !t->encoded && dtype_is_float(t->dtype)) return true;
  return infer_error(c, "%s must be floats, not %s", what, type_text(c->module->arena, t));
}

bool infer_integer(Infer *c, int operand, const char *what) {
  Type t = infer_in(c, operand);
  if (!t) return true;
  if (type_is_tensor(t) && !t->encoded && dtype_is_int(t->dtype)) return true;
  return infer_error(c, "%s must be integers, not %s", what, type_text(c->module->arena, t));
}

static int pattern_rank(const char *pattern) {
  int rank = 0;
  for (const char *p = pattern; *p; p++) rank += *p != '~';
  return rank;
}

static bool match_letter(Infer *c, Dim *bound, Dim d, const char *what, char letter, bool may_be_one) {
  if (!*bound) {
    *bound = d;
    return true;
  }
  char name[64];
  snprintf(name, sizeof name, "size %c of %s", letter, what);
  if (may_be_one ? !infer_fits_dim(c, d, *bound, name) : !infer_same_dim(c, d, *bound, name)) return false;
  if (dim_is_unknown(*bound) || dim_is_const(d)) *bound = d;
  return true;
}

bool infer_shape(Infer *c, ShapeLetters *l, int operand, const char *what, const char *pattern) {
  Type t = infer_in(c, operand);
  if (!t) return true;
  if (!type_is_tensor(t) || t->rank != pattern_rank(pattern))
    return infer_error(c, "%s must have %d axes, as in [%s], but is %s", what, pattern_rank(pattern), pattern,
                       type_text(c->module->arena, t));
  for (int i = 0; i < t->rank; i++) {
    char letter = *pattern++;
    bool may_be_one = *pattern == '~';
    pattern += may_be_one;
    if (may_be_one && dim_is(t->dim[i], 1)) continue;
    if (letter != '1') {
      ensure(letter >= 'a' && letter <= 'z');
      if (!match_letter(c, &letter_dim(l, letter), t->dim[i], what, letter, may_be_one)) return false;
    } else if (dim_is_const(t->dim[i]) && !dim_is(t->dim[i], 1)) {
      return infer_error(c, "size %d of %s must be 1, not %s", i, what, dim_text(c->module->arena, t->dim[i]));
    }
  }
  return true;
}
