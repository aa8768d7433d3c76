/* template_filter_list.c -- Jinja's filters on lists and dicts. */
#include "runtime/template_filter.h"

static bool given(Json v) { return v.kind != VALUE_UNSET; }
static bool flag(Eval *e, Json v) { return given(v) && value_true(e, v); }

/* ---- one of them, or how many ---- */

Json filter_length(Eval *e, Json v, const Args *a, const Json *p) {
  (void)a, (void)p;
  int64_t n = value_length(e, v);
  return value_int(n);
}

Json filter_list(Eval *e, Json v, const Args *a, const Json *p) { return (void)a, (void)p, value_collect(e, v); }

Json filter_first(Eval *e, Json v, const Args *a, const Json *p) {
  Cursor c;
  Json item;
  (void)a, (void)p;
  if (!cursor_open(e, v, &c)) return NOTHING;
  return cursor_next(e, &c, &item) ? item : value_undefined("there is no first item: there are none");
}

static bool reversible(Json v) {
  return v.kind == JSON_TEXT || v.kind == JSON_LIST || v.kind == JSON_OBJECT || v.kind == VALUE_RANGE || v.kind == VALUE_VIEW;
}

Json filter_last(Eval *e, Json v, const Args *a, const Json *p) {
  (void)a, (void)p;
  if (v.kind == VALUE_UNDEFINED || !reversible(v)) return eval_fail(e, "a %s has no last item", value_type(v));
  Json all = value_collect(e, v);
  return e->failed ? NOTHING : all.n ? all.at[all.n - 1] : value_undefined("there is no last item: there are none");
}

Json filter_reverse(Eval *e, Json v, const Args *a, const Json *p) {
  (void)a, (void)p;
  if (v.kind == JSON_TEXT) {
    int64_t n = value_length(e, v);
    return text_slice(e, v, n - 1, n, -1);
  }
  Json all = value_collect(e, v);
  Json *at = e->failed ? NULL : eval_take(e, all.n, sizeof *at);
  for (uint32_t i = 0; at && i < all.n; i++) at[i] = all.at[all.n - 1 - i];
  if (!at) return NOTHING;
  return reversible(v) ? value_iterator(e, value_list(at, all.n), "list_reverseiterator") : value_list(at, all.n);
}

/* ---- joined and added up ---- */

/* Each item's attribute. */
static Json attributes(Eval *e, Json all, Json path, const Json *otherwise) {
  Json *at = eval_take(e, all.n, sizeof *at);
  for (uint32_t i = 0; at && i < all.n && !e->failed; i++) at[i] = item_path(e, all.at[i], path, otherwise);
  return e->failed ? NOTHING : value_list(at, all.n);
}

Json filter_join(Eval *e, Json v, const Args *a, const Json *p) {
  (void)a;
  Json all = value_collect(e, v), between = given(p[0]) ? value_str(e, p[0]) : json_text("", 0);
  if (!e->failed && given(p[1]) && p[1].kind != JSON_NULL) all = attributes(e, all, p[1], NULL);
  for (uint32_t i = 0; !e->failed && i < all.n; i++)
    if (all.at[i].kind == VALUE_LOOP) return eval_fail(e, "joining loops is not supported");
  return e->failed ? NOTHING : text_join_all(e, between, all, false);
}

Json filter_sum(Eval *e, Json v, const Args *a, const Json *p) {
  Json all = value_collect(e, v), sum = given(p[1]) ? p[1] : value_int(0);
  (void)a;
  if (sum.kind == JSON_TEXT) return eval_fail(e, "texts are joined, and not summed up");
  if (!e->failed && given(p[0]) && p[0].kind != JSON_NULL) all = attributes(e, all, p[0], NULL);
  for (uint32_t i = 0; !e->failed && i < all.n; i++) sum = number_binary(e, NODE_add, sum, all.at[i]);
  return e->failed ? NOTHING : sum;
}

/* ---- mapped and selected ---- */

static const Json *named(const Args *a, const char *name) {
  for (uint32_t i = 0; i < a->n_named; i++)
    if (name_is(a->named[i].key.text, a->named[i].key.n, name)) return &a->named[i].value;
  return NULL;
}

static Json map_attribute(Eval *e, Json all, const Args *a) {
  const Json *path = named(a, "attribute"), *otherwise = named(a, "default");
  if (a->n_named > 1u + (otherwise != NULL)) return eval_fail(e, "`map` has no parameter of an argument's name");
  if (otherwise && otherwise->kind == JSON_NULL) otherwise = NULL;
  return attributes(e, all, *path, otherwise);
}

static Json map_filter(Eval *e, Json all, const Args *a) {
  uint32_t which;
  if (!a->n) return eval_fail(e, "`map` wants a filter or an attribute");
  if (!filter_find(a->at[0], &which)) return eval_fail(e, "`map` is given the name of no filter");
  Args rest = {.at = a->at + 1, .n = a->n - 1, .named = a->named, .n_named = a->n_named};
  Json *at = eval_take(e, all.n, sizeof *at);
  for (uint32_t i = 0; at && i < all.n && !e->failed; i++) at[i] = call_filter(e, which, all.at[i], &rest);
  return e->failed ? NOTHING : value_list(at, all.n);
}

Json filter_map(Eval *e, Json v, const Args *a, const Json *p) {
  (void)p;
  if (!value_true(e, v)) return e->failed ? NOTHING : value_iterator(e, value_list(NULL, 0), "generator");
  Json all = value_collect(e, v);
  if (!e->failed) all = !a->n && named(a, "attribute") ? map_attribute(e, all, a) : map_filter(e, all, a);
  return e->failed ? NOTHING : value_iterator(e, all, "generator");
}

typedef struct Selection {
  bool by_attribute, has_test;
  Json path;
  uint32_t test;
  Args rest;
} Selection;

static bool read_selection(Eval *e, const Args *a, bool by_attribute, Selection *s) {
  uint32_t used = by_attribute;
  *s = (Selection){.by_attribute = by_attribute};
  if (by_attribute && !a->n) return eval_fail(e, "an attribute's name is missing"), false;
  if (by_attribute) s->path = a->at[0];
  s->has_test = a->n > used;
  if (!s->has_test) return true;
  if (!test_find(a->at[used], &s->test)) return eval_fail(e, "there is no such test"), false;
  used++;
  s->rest = (Args){.at = a->at + used, .n = a->n - used, .named = a->named, .n_named = a->n_named};
  return true;
}

static Json select_some(Eval *e, Json v, const Args *a, bool by_attribute, bool wanted) {
  Selection s;
  uint32_t n = 0;
  if (!value_true(e, v)) return e->failed ? NOTHING : value_iterator(e, value_list(NULL, 0), "generator");
  Json all = value_collect(e, v);
  if (e->failed || !read_selection(e, a, by_attribute, &s)) return NOTHING;
  Json *at = eval_take(e, all.n, sizeof *at);
  for (uint32_t i = 0; at && i < all.n && !e->failed; i++) {
    Json x = s.by_attribute ? item_path(e, all.at[i], s.path, NULL) : all.at[i];
    if (e->failed) break;
    bool good = s.has_test ? call_test(e, s.test, x, &s.rest) : value_true(e, x);
    if (good == wanted) at[n++] = all.at[i];
  }
  return e->failed ? NOTHING : value_iterator(e, value_list(at, n), "generator");
}

Json filter_select(Eval *e, Json v, const Args *a, const Json *p) { return (void)p, select_some(e, v, a, false, true); }
Json filter_reject(Eval *e, Json v, const Args *a, const Json *p) { return (void)p, select_some(e, v, a, false, false); }
Json filter_selectattr(Eval *e, Json v, const Args *a, const Json *p) { return (void)p, select_some(e, v, a, true, true); }
Json filter_rejectattr(Eval *e, Json v, const Args *a, const Json *p) { return (void)p, select_some(e, v, a, true, false); }

Json filter_items(Eval *e, Json v, const Args *a, const Json *p) {
  (void)a, (void)p;
  if (v.kind == VALUE_UNDEFINED) return value_iterator(e, value_list(NULL, 0), "generator");
  if (v.kind != JSON_OBJECT) return eval_fail(e, "a %s has no pairs of keys and values", value_type(v));
  Json all = value_collect(e, (Json){.kind = VALUE_VIEW, .of = VIEW_ITEMS, .object = v.object});
  return e->failed ? NOTHING : value_iterator(e, all, "generator");
}

/* ---- in groups of so many ---- */

Json filter_batch(Eval *e, Json v, const Args *a, const Json *p) {
  int64_t size;
  Json all = value_collect(e, v);
  bool fill = given(p[1]) && p[1].kind != JSON_NULL;
  (void)a;
  if (e->failed || !value_index(e, p[0], &size)) return NOTHING;
  if (size < 1) return eval_fail(e, "batches of %d items are not supported", size);
  uint32_t n = (uint32_t)(all.n / size + (all.n % size != 0));
  Json *at = eval_take(e, n, sizeof *at);
  for (uint32_t i = 0; at && i < n; i++) at[i] = value_list(all.at + (size_t)i * (size_t)size, i + 1 < n ? (size_t)size : all.n - (size_t)i * (size_t)size);
  if (at && n && fill && at[n - 1].n < size) {
    Json more = number_binary(e, NODE_mul, value_list(&p[1], 1), value_int(size - at[n - 1].n));
    at[n - 1] = e->failed ? NOTHING : number_binary(e, NODE_add, at[n - 1], more);
  }
  return e->failed ? NOTHING : value_iterator(e, value_list(at, n), "generator");
}

Json filter_slice(Eval *e, Json v, const Args *a, const Json *p) {
  int64_t slices;
  Json all = value_collect(e, v);
  bool fill = given(p[1]) && p[1].kind != JSON_NULL;
  (void)a;
  if (e->failed || !value_index(e, p[0], &slices)) return NOTHING;
  if (slices == 0) return eval_fail(e, "division by zero");
  uint32_t n = slices > 0 ? (uint32_t)(slices < 1 << 24 ? slices : 1 << 24) : 0, from = 0;
  Json *at = eval_charge(e, n) ? eval_take(e, n, sizeof *at) : NULL;
  for (uint32_t i = 0; at && i < n && !e->failed; i++) {
    uint32_t count = all.n / n + (i < all.n % n);
    at[i] = value_list(all.at + from, count);
    if (fill && i >= all.n % n) at[i] = number_binary(e, NODE_add, at[i], value_list(&p[1], 1));
    from += count;
  }
  return e->failed ? NOTHING : value_iterator(e, value_list(at, n), "generator");
}

/* ---- in order ---- */

typedef struct Sorted {
  Json key, item;
} Sorted;

static Json fold_case(Eval *e, Json v, bool sensitive) { return !sensitive && v.kind == JSON_TEXT ? text_case(e, v, CASE_LOWER) : v; }

/* Stable: those of equal keys stay as they are, in both directions. */
static void merge(Eval *e, Sorted *from, Sorted *to, uint32_t a, uint32_t middle, uint32_t b, bool down) {
  uint32_t i = a, j = middle;
  for (uint32_t k = a; k < b; k++) {
    bool second = i >= middle;
    if (i < middle && j < b && !e->failed) second = value_order(e, down ? from[i].key : from[j].key, down ? from[j].key : from[i].key) == -1;
    to[k] = second ? from[j++] : from[i++];
  }
  eval_charge(e, b - a);
}

static Sorted *sort(Eval *e, Sorted *at, uint32_t n, bool down) {
  Sorted *other = eval_take(e, n, sizeof *other);
  for (uint32_t width = 1; other && width < n && !e->failed; width = width < 1u << 30 ? 2 * width : n) {
    for (uint32_t i = 0; i < n; i += 2 * width)
      merge(e, at, other, i, i + width < n ? i + width : n, i + 2 * width < n ? i + 2 * width : n, down);
    Sorted *t = at;
    at = other, other = t;
  }
  return at;
}

static Json sorted_items(Eval *e, Sorted *s, uint32_t n) {
  Json *at = e->failed ? NULL : eval_take(e, n, sizeof *at);
  for (uint32_t i = 0; at && i < n; i++) at[i] = s[i].item;
  return at ? value_list(at, n) : NOTHING;
}

/* The attributes whose names are between commas. */
static Json sort_key(Eval *e, Json item, Json paths, bool sensitive) {
  uint32_t n = 1, k = 0;
  if (paths.kind != JSON_TEXT) {
    Json *one = eval_take(e, 1, sizeof *one);
    if (one) *one = fold_case(e, item_path(e, item, paths, NULL), sensitive);
    return e->failed ? NOTHING : value_list(one, 1);
  }
  for (uint32_t i = 0; i < paths.n; i++) n += paths.text[i] == ',';
  Json *key = eval_take(e, n, sizeof *key);
  for (uint32_t i = 0, end; key && k < n && !e->failed; i = end + 1) {
    for (end = i; end < paths.n && paths.text[end] != ','; end++) {}
    key[k++] = fold_case(e, item_path(e, item, json_text(paths.text + i, end - i), NULL), sensitive);
  }
  return e->failed ? NOTHING : value_list(key, n);
}

Json filter_sort(Eval *e, Json v, const Args *a, const Json *p) {
  Json all = value_collect(e, v), paths = given(p[2]) ? p[2] : NOTHING;
  bool down = flag(e, p[0]), sensitive = flag(e, p[1]);
  (void)a;
  Sorted *s = e->failed ? NULL : eval_take(e, all.n, sizeof *s);
  for (uint32_t i = 0; s && i < all.n && !e->failed; i++) s[i] = (Sorted){sort_key(e, all.at[i], paths, sensitive), all.at[i]};
  if (s && !e->failed) s = sort(e, s, all.n, down);
  return sorted_items(e, s, all.n);
}

Json filter_dictsort(Eval *e, Json v, const Args *a, const Json *p) {
  Json by = given(p[1]) ? p[1] : value_c("key");
  bool sensitive = flag(e, p[0]), value = by.kind == JSON_TEXT && name_is(by.text, by.n, "value");
  (void)a;
  if (!value && !(by.kind == JSON_TEXT && name_is(by.text, by.n, "key"))) return eval_fail(e, "dicts are sorted by `key` or by `value`");
  if (v.kind != JSON_OBJECT) return eval_fail(e, "a %s has no pairs of keys and values", value_type(v));
  Json all = value_collect(e, (Json){.kind = VALUE_VIEW, .of = VIEW_ITEMS, .object = v.object});
  Sorted *s = e->failed ? NULL : eval_take(e, all.n, sizeof *s);
  for (uint32_t i = 0; s && i < all.n && !e->failed; i++) s[i] = (Sorted){fold_case(e, all.at[i].at[value], sensitive), all.at[i]};
  if (s && !e->failed) s = sort(e, s, all.n, flag(e, p[2]));
  return sorted_items(e, s, all.n);
}

static Json extreme(Eval *e, Json v, const Json *p, int sign) {
  Json all = value_collect(e, v), path = given(p[1]) ? p[1] : NOTHING, best = NOTHING, best_key = NOTHING;
  bool sensitive = flag(e, p[0]);
  if (!e->failed && !all.n) return value_undefined("there is no least and no greatest item: there are none");
  for (uint32_t i = 0; !e->failed && i < all.n; i++) {
    Json key = fold_case(e, item_path(e, all.at[i], path, NULL), sensitive);
    if (i && value_order(e, key, best_key) != sign) continue;
    best = all.at[i], best_key = key;
  }
  return e->failed ? NOTHING : best;
}

Json filter_min(Eval *e, Json v, const Args *a, const Json *p) { return (void)a, extreme(e, v, p, -1); }
Json filter_max(Eval *e, Json v, const Args *a, const Json *p) { return (void)a, extreme(e, v, p, 1); }

Json filter_unique(Eval *e, Json v, const Args *a, const Json *p) {
  Json all = value_collect(e, v), path = given(p[1]) ? p[1] : NOTHING;
  uint32_t n = 0;
  bool sensitive = flag(e, p[0]);
  (void)a;
  Json *at = e->failed ? NULL : eval_take(e, all.n, sizeof *at), *seen = at ? eval_take(e, all.n, sizeof *seen) : NULL;
  for (uint32_t i = 0; seen && i < all.n && !e->failed; i++) {
    Json key = fold_case(e, item_path(e, all.at[i], path, NULL), sensitive);
    if (!e->failed && !value_hashable(key)) eval_fail(e, "a %s cannot be told from others", value_type(key));
    uint32_t k = 0;
    while (k < n && eval_charge(e, 1) && !value_equal(e, seen[k], key)) k++;
    if (k == n) seen[n] = key, at[n++] = all.at[i];
  }
  return e->failed ? NOTHING : value_iterator(e, value_list(at, n), "generator");
}

/* ---- groups ---- */

Json filter_groupby(Eval *e, Json v, const Args *a, const Json *p) {
  Json all = value_collect(e, v);
  const Json *otherwise = given(p[1]) && p[1].kind != JSON_NULL ? &p[1] : NULL;
  bool sensitive = flag(e, p[2]);
  uint32_t n = 0;
  (void)a;
  Sorted *s = e->failed ? NULL : eval_take(e, all.n, sizeof *s);
  for (uint32_t i = 0; s && i < all.n && !e->failed; i++) s[i] = (Sorted){fold_case(e, item_path(e, all.at[i], p[0], otherwise), sensitive), all.at[i]};
  if (s && !e->failed) s = sort(e, s, all.n, false);
  Json items = sorted_items(e, s, all.n), *group = e->failed ? NULL : eval_take(e, all.n, sizeof *group);
  for (uint32_t i = 0, end; group && i < all.n && !e->failed; i = end) {
    for (end = i + 1; end < all.n && value_equal(e, s[end].key, s[i].key); end++) {}
    Json *pair = eval_take(e, 2, sizeof *pair);
    if (!pair) return NOTHING;
    pair[0] = sensitive ? s[i].key : item_path(e, s[i].item, p[0], otherwise);
    pair[1] = value_list(items.at + i, end - i);
    group[n] = value_tuple(pair, 2);
    group[n++].flags |= VALUE_GROUP;
  }
  return e->failed ? NOTHING : value_list(group, n);
}
