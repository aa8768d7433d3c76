/* template_format.c -- values in formats: by percent signs, by braces, and times. */
#include "runtime/decimal.h"
#include "runtime/template_part.h"
#include "runtime/utf8.h"
#include "runtime/words.h"

/* What a format says of one value. */
typedef struct Spec {
  char fill[4];
  size_t n_fill;
  char align, sign, type; /* 0: none is said */
  bool alternate, zero, commas;
  int64_t width, precision; /* -1: none is said */
} Spec;

enum { WIDEST = 1 << 20 };

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* Digits of a text from *i on; -1 where there are none. */
static int64_t read_digits(Json s, size_t *i) {
  int64_t v = 0;
  if (*i >= s.n || !is_digit(s.text[*i])) return -1;
  for (; *i < s.n && is_digit(s.text[*i]); ++*i) v = v < WIDEST ? v * 10 + (s.text[*i] - '0') : v;
  return v;
}

/* ---- numbers ---- */

static void put_digit(TextRoom *o, const Decimal *d, int i) {
  char c = (char)('0' + (i >= 0 && i < d->n ? d->digit[i] : 0));
  room_bytes(o, &c, 1);
}

/* The whole part with commas between thousands, where they are wanted. */
static void put_fixed(TextRoom *o, const Decimal *d, int64_t precision, const Spec *s) {
  int whole = d->point > 0 ? d->point : 1;
  for (int i = 0; i < whole; i++) {
    put_digit(o, d, d->point > 0 ? i : -1);
    if (s->commas && (whole - 1 - i) % 3 == 0 && i + 1 < whole) room_text(o, ",");
  }
  if (precision || s->alternate) room_text(o, ".");
  for (int64_t i = 0; i < precision && !o->full; i++) put_digit(o, d, d->point + (int)i);
}

static void put_far(TextRoom *o, const Decimal *d, int64_t precision, bool alternate, bool upper) {
  int exponent = d->n ? d->point - 1 : 0;
  put_digit(o, d, 0);
  if (precision || alternate) room_text(o, ".");
  for (int64_t i = 1; i <= precision && !o->full; i++) put_digit(o, d, (int)i);
  room_text(o, upper ? "E" : "e");
  room_text(o, exponent < 0 ? "-" : "+");
  if (exponent < 0) exponent = -exponent;
  if (exponent < 10) room_text(o, "0");
  room_whole(o, exponent);
}

static void put_general(TextRoom *o, Decimal *d, const Spec *s, int64_t precision, bool upper) {
  if (precision == 0) precision = 1;
  decimal_round(d, (int)precision);
  int64_t exponent = d->n ? d->point - 1 : 0, digits = s->alternate ? precision : d->n ? d->n : 1;
  if (exponent < -4 || exponent >= precision) return put_far(o, d, digits - 1, s->alternate, upper);
  int64_t behind = digits - 1 - exponent;
  put_fixed(o, d, behind > 0 ? behind : 0, s);
}

/* A magnitude; `type` is one of eEfFgG and %. */
static void put_magnitude(TextRoom *o, double v, const Spec *s) {
  Decimal d;
  int64_t precision = s->precision < 0 ? 6 : s->precision;
  char type = (char)(s->type | 32);
  bool upper = s->type >= 'A' && s->type <= 'Z';
  if (v != v || v - v != 0) return room_text(o, v != v ? upper ? "NAN" : "nan" : upper ? "INF" : "inf");
  decimal_of(&d, v);
  if (type == 'e') decimal_round(&d, (int)precision + 1), put_far(o, &d, precision, s->alternate, upper);
  else if (type == 'g') put_general(o, &d, s, precision, upper);
  else decimal_round(&d, d.point + (int)precision), put_fixed(o, &d, precision, s);
}

static void put_whole(TextRoom *o, uint64_t v, unsigned base, bool upper, bool commas) {
  char digit[96];
  size_t n = sizeof digit, k = 0;
  do {
    if (commas && k && k % 3 == 0) digit[--n] = ',';
    digit[--n] = (upper ? "0123456789ABCDEF" : "0123456789abcdef")[v % base];
    k++;
  } while ((v /= base) != 0);
  room_bytes(o, digit + n, sizeof digit - n);
}

/* ---- a value in its width ---- */

/* What stands before the digits, and these; zeros come between them. */
static void put_padded(TextRoom *o, const char *head, Json body, const Spec *s, char align) {
  int64_t n = (int64_t)text_length(head) + (int64_t)utf8_count(body.text, body.n), more = s->width > n ? s->width - n : 0;
  if (s->align) align = s->align;
  int64_t left = align == '<' || align == '=' ? 0 : align == '^' ? more / 2 : more;
  for (int64_t i = 0; i < left && !o->full; i++) room_bytes(o, s->fill, s->n_fill);
  room_text(o, head);
  for (int64_t i = 0; i < more && align == '=' && !o->full; i++) room_bytes(o, s->fill, s->n_fill);
  room_bytes(o, body.text, body.n);
  for (int64_t i = left; i < more && align != '=' && !o->full; i++) room_bytes(o, s->fill, s->n_fill);
}

static const char *sign_of(bool minus, const Spec *s) { return minus ? "-" : s->sign == '+' ? "+" : s->sign == ' ' ? " " : ""; }

static void put_int(TextRoom *o, int64_t v, const Spec *s) {
  char digits[128], head[8];
  TextRoom d = {.at = digits, .size = sizeof digits}, h = {.at = head, .size = sizeof head - 1};
  unsigned base = s->type == 'x' || s->type == 'X' ? 16 : s->type == 'o' ? 8 : s->type == 'b' ? 2 : 10;
  put_whole(&d, v < 0 ? 0 - (uint64_t)v : (uint64_t)v, base, s->type == 'X', s->commas);
  room_text(&h, sign_of(v < 0, s));
  if (s->alternate && base != 10) room_text(&h, base == 16 ? s->type == 'X' ? "0X" : "0x" : base == 8 ? "0o" : "0b");
  head[h.n] = 0;
  put_padded(o, head, json_text(digits, d.n), s, s->zero ? '=' : '>');
}

static void put_float(TextRoom *o, double v, const Spec *s) {
  char digits[1600];
  TextRoom d = {.at = digits, .size = sizeof digits};
  bool minus = __builtin_signbit(v) && v == v;
  if (!s->type) room_float(&d, minus ? -v : v);
  else put_magnitude(&d, minus ? -v : v, s);
  put_padded(o, sign_of(minus, s), json_text(digits, d.n), s, s->zero && v - v == 0 ? '=' : '>');
}

static void put_text(TextRoom *o, Json v, const Spec *s, char align) {
  size_t n = 0;
  for (int64_t i = 0; n < v.n && (s->precision < 0 || i < s->precision); i++) {
    n++;
    while (n < v.n && ((uint8_t)v.text[n] & 0xc0) == 0x80) n++;
  }
  put_padded(o, "", json_text(v.text, n), s, align);
}

/* ---- by percent signs ---- */

typedef struct Percent {
  Json format, values;
  const Args *named;
  size_t i, next;
  bool mapped; /* values were taken by name */
} Percent;

static Json next_value(Eval *e, Percent *p) {
  bool tuple = p->values.kind == JSON_LIST && p->values.flags & JSON_TUPLE;
  if (p->next >= (tuple ? p->values.n : 1)) return eval_fail(e, "a format has more places than there are values");
  return tuple ? p->values.at[p->next++] : (p->next++, p->values);
}

static Json by_name(Eval *e, Percent *p) {
  size_t start = p->i, depth = 1;
  for (; p->i < p->format.n && depth; p->i++) depth += (size_t)(p->format.text[p->i] == '(') - (size_t)(p->format.text[p->i] == ')');
  if (depth) return eval_fail(e, "a name in a format has no end");
  Json key = json_text(p->format.text + start, p->i - start - 1);
  p->mapped = true;
  for (uint32_t i = 0; p->named && i < p->named->n_named; i++)
    if (json_same_text(&p->named->named[i].key, &key)) return p->named->named[i].value;
  const Json *v = !p->named && p->values.kind == JSON_OBJECT ? value_member(e, p->values, key) : NULL;
  if (!p->named && p->values.kind != JSON_OBJECT) return eval_fail(e, "a format with names wants a dict, and not a %s", value_type(p->values));
  return v ? *v : eval_fail(e, "there is no value of a name in a format");
}

static void read_flags(Percent *p, Spec *s) {
  for (; p->i < p->format.n; p->i++) {
    char c = p->format.text[p->i];
    if (c == '-') s->align = '<';
    else if (c == '+' || (c == ' ' && s->sign != '+')) s->sign = c;
    else if (c == '#') s->alternate = true;
    else if (c == '0') s->zero = true;
    else if (c != ' ') return;
  }
}

static int64_t read_width(Eval *e, Percent *p) {
  int64_t v;
  if (p->i >= p->format.n || p->format.text[p->i] != '*') return read_digits(p->format, &p->i);
  p->i++;
  return value_index(e, next_value(e, p), &v) ? v : -1;
}

static void put_converted(Eval *e, TextRoom *o, Spec *s, Json v) {
  if (s->align == '<') s->zero = false;
  if (s->zero) s->fill[0] = '0';
  switch (s->type) {
  case 'd':
  case 'i':
  case 'u':
    s->type = 'd';
    if (v.kind == JSON_FLOAT) v = number_of_float(e, v.f);
    break;
  case 'x':
  case 'X':
  case 'o': break;
  default:
    if (value_is_number(v)) return put_float(o, value_number(v), s);
  }
  if (value_is_int(v) && s->precision < 0) put_int(o, value_whole(v), s);
  else eval_fail(e, "`%%%s` has no place for a %s", (char[]){s->type, 0}, value_type(v));
}

/* The text of a value is made in the room behind what is being made; so it is put there first. */
static void put_str_or_repr(Eval *e, TextRoom *o, const Spec *s, Json v, char align) {
  TextRoom rest = {.at = o->at + o->n, .size = o->size - o->n};
  if (s->type == 'r' || s->type == 'a') put_repr(e, &rest, v);
  else put_str(e, &rest, v);
  if (rest.full || e->failed) return (void)(o->full |= rest.full);
  if (s->width < 0 && s->precision < 0) return (void)(o->n += rest.n);
  TextRoom padded = {.at = rest.at + rest.n, .size = rest.size - rest.n};
  put_text(&padded, json_text(rest.at, rest.n), s, align);
  for (size_t i = 0; i < padded.n; i++) rest.at[i] = padded.at[i];
  o->n += padded.n;
  o->full |= padded.full;
}

static void put_place(Eval *e, TextRoom *o, Percent *p) {
  Spec s = {.fill = " ", .n_fill = 1, .precision = -1, .width = -1};
  Json v = {.kind = VALUE_UNSET};
  if (p->i < p->format.n && p->format.text[p->i] == '(') p->i++, v = by_name(e, p);
  read_flags(p, &s);
  s.width = read_width(e, p);
  if (s.width < -1) s.align = '<', s.width = -s.width;
  if (p->i < p->format.n && p->format.text[p->i] == '.') {
    p->i++;
    s.precision = read_width(e, p);
    if (s.precision < 0) s.precision = 0;
  }
  while (p->i < p->format.n && (p->format.text[p->i] == 'l' || p->format.text[p->i] == 'h' || p->format.text[p->i] == 'L')) p->i++;
  s.type = p->i < p->format.n ? p->format.text[p->i++] : 0;
  if (s.type == '%') return room_text(o, "%");
  bool known = false;
  for (const char *t = "srdiuxXoeEfFgG"; *t; t++) known |= *t == s.type;
  if (!known || s.precision > 700 || s.width > WIDEST) return (void)eval_fail(e, "a format has a place that is not supported");
  if (v.kind == VALUE_UNSET) v = next_value(e, p);
  if (e->failed) return;
  if (s.type == 's' || s.type == 'r') put_str_or_repr(e, o, &s, v, '>');
  else put_converted(e, o, &s, v);
}

Json format_percent(Eval *e, Json format, Json values, const Args *named) {
  Percent p = {.format = format, .values = values, .named = named};
  bool tuple = values.kind == JSON_LIST && values.flags & JSON_TUPLE;
  TextRoom o = text_begin(e);
  while (p.i < format.n && !e->failed && !o.full) {
    char c = format.text[p.i++];
    if (c == '%') put_place(e, &o, &p);
    else room_bytes(&o, &c, 1);
    eval_charge(e, 1);
  }
  bool taken = p.mapped || named || values.kind == JSON_OBJECT || values.kind == JSON_LIST;
  if (!e->failed && !o.full && tuple ? p.next < values.n && !p.mapped : !taken && p.next == 0 && !e->failed)
    return eval_fail(e, "a format has less places than there are values");
  Json out = text_end(e, &o);
  return out.flags = format.flags, out;
}

/* ---- by braces ---- */

typedef struct Braces {
  Json format;
  const Args *args;
  size_t i;
  int64_t next;          /* the place without a number that comes next */
  bool numbered, counted;
} Braces;

static bool is_name_end(char c) { return c == '.' || c == '[' || c == '!' || c == ':' || c == '}' || c == '{'; }

static Json first_value(Eval *e, Braces *b, Json name) {
  size_t i = 0;
  int64_t which = name.n ? read_digits(name, &i) : b->next++;
  if (name.n == 0) b->counted = true;
  else if (which >= 0 && i == name.n) b->numbered = true;
  else which = -1;
  if (b->counted && b->numbered) return eval_fail(e, "a format has places with numbers, and without");
  if (which >= 0) return which < b->args->n ? b->args->at[which] : eval_fail(e, "a format has more places than there are values");
  for (uint32_t k = 0; k < b->args->n_named; k++)
    if (json_same_text(&b->args->named[k].key, &name)) return b->args->named[k].value;
  return eval_fail(e, "there is no value of a name in a format");
}

static Json value_of_place(Eval *e, Braces *b) {
  Json f = b->format;
  size_t start = b->i, i;
  while (b->i < f.n && !is_name_end(f.text[b->i])) b->i++;
  Json v = first_value(e, b, json_text(f.text + start, b->i - start));
  while (b->i < f.n && !e->failed && (f.text[b->i] == '.' || f.text[b->i] == '[')) {
    bool item = f.text[b->i++] == '[';
    for (start = b->i; b->i < f.n && (item ? f.text[b->i] != ']' : !is_name_end(f.text[b->i]));) b->i++;
    Json name = json_text(f.text + start, b->i - start);
    int64_t number = (i = 0, item ? read_digits(name, &i) : -1);
    b->i += item;
    v = item ? item_get(e, v, number >= 0 && i == name.n ? value_int(number) : name) : item_attr(e, v, name.text, name.n);
  }
  return v;
}

static bool is_align(char c) { return c == '<' || c == '>' || c == '=' || c == '^'; }

static bool read_spec(Json t, Spec *s) {
  uint32_t c;
  size_t i = 0, size = utf8_read(t.text, t.n, &c);
  if (size && size < t.n && is_align(t.text[size])) {
    for (size_t k = 0; k < size; k++) s->fill[k] = t.text[k];
    s->n_fill = size, s->align = t.text[size], i = size + 1;
  } else if (t.n && is_align(t.text[0])) s->align = t.text[0], i = 1;
  if (i < t.n && (t.text[i] == '+' || t.text[i] == '-' || t.text[i] == ' ')) s->sign = t.text[i++];
  if (i < t.n && t.text[i] == '#') s->alternate = true, i++;
  if (i < t.n && t.text[i] == '0') {
    i++;
    if (!s->align) s->fill[0] = '0', s->n_fill = 1, s->zero = true;
  }
  s->width = read_digits(t, &i);
  if (i < t.n && t.text[i] == ',') s->commas = true, i++;
  if (i < t.n && t.text[i] == '.' && (i++, (s->precision = read_digits(t, &i)) < 0)) return false;
  if (i < t.n) s->type = t.text[i++];
  return i == t.n && s->precision <= 700 && s->width <= WIDEST;
}

static void put_formatted(Eval *e, TextRoom *o, Json v, Json text) {
  Spec s = {.fill = " ", .n_fill = 1, .precision = -1, .width = -1};
  bool good = read_spec(text, &s), is_float = s.type && (s.type == 'e' || s.type == 'E' || s.type == 'f' || s.type == 'F' || s.type == 'g' || s.type == 'G');
  if (good && v.kind == JSON_TEXT && (!s.type || s.type == 's') && !s.sign && !s.alternate && !s.commas && s.align != '=') {
    s.type = 's';
    if (s.zero) s.zero = false;
    return put_str_or_repr(e, o, &s, v, '<');
  }
  if (good && s.type == '%' && value_is_number(v)) {
    char digits[1600];
    TextRoom d = {.at = digits, .size = sizeof digits};
    double f = value_number(v) * 100;
    put_magnitude(&d, f < 0 ? -f : f, &s);
    room_text(&d, "%");
    return put_padded(o, sign_of(f < 0, &s), json_text(digits, d.n), &s, s.zero ? '=' : '>');
  }
  bool plain_float = v.kind == JSON_FLOAT && (is_float || (!s.type && s.precision < 0 && !s.commas && !s.alternate));
  if (good && (plain_float || (is_float && value_is_int(v)))) return put_float(o, value_number(v), &s);
  bool int_type = !s.type || s.type == 'd' || s.type == 'x' || s.type == 'X' || s.type == 'o' || s.type == 'b';
  if (good && value_is_int(v) && int_type && s.precision < 0 && (s.type || v.kind == JSON_INT)) return put_int(o, value_whole(v), &s);
  eval_fail(e, "a format for a %s that is not supported", value_type(v));
}

static void put_brace_place(Eval *e, TextRoom *o, Braces *b) {
  Json f = b->format;
  char how = 's';
  size_t used = e->room->used;
  e->room->used += (o->n + 7) / 8 * 8; /* what finding a value takes lies behind the text that is being made */
  Json v = value_of_place(e, b);
  if (e->failed) return;
  e->room->used = used;
  if (b->i + 1 < f.n && f.text[b->i] == '!') how = f.text[b->i + 1], b->i += 2;
  size_t start = b->i + 1, end = b->i;
  if (b->i < f.n && f.text[b->i] == ':')
    for (end = start; end < f.n && f.text[end] != '}' && f.text[end] != '{';) end++;
  bool spec = end > start;
  b->i = end;
  if (b->i >= f.n || f.text[b->i] != '}' || (how != 's' && how != 'r')) return (void)eval_fail(e, "a place in a format is wrong, or not supported");
  b->i++;
  if (spec && how == 's') return put_formatted(e, o, v, json_text(f.text + start, end - start));
  if (spec) return (void)eval_fail(e, "a format of what is quoted is not supported");
  if (how == 'r') put_repr(e, o, v);
  else if (v.kind == VALUE_UNDEFINED || v.kind == VALUE_LOOP) eval_fail(e, "a %s in a format is not supported", value_type(v));
  else put_str(e, o, v);
}

Json format_braces(Eval *e, Json format, const Args *args) {
  Braces b = {.format = format, .args = args};
  TextRoom o = text_begin(e);
  while (b.i < format.n && !e->failed && !o.full && eval_charge(e, 1)) {
    char c = format.text[b.i++];
    bool twice = (c == '{' || c == '}') && b.i < format.n && format.text[b.i] == c;
    if (twice) b.i++;
    if (c == '{' && !twice) put_brace_place(e, &o, &b);
    else if (c == '}' && !twice) eval_fail(e, "a brace in a format closes nothing");
    else room_bytes(&o, &c, 1);
  }
  Json out = text_end(e, &o);
  return out.flags = format.flags, out;
}

/* ---- times ---- */

typedef struct Time {
  int64_t year, day_of_year, micro;
  int month, day, hour, minute, second, weekday; /* 0: Sunday */
} Time;

static const char *const months[] = {"January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"};
static const char *const days[] = {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};

static bool is_leap(int64_t y) { return (y % 4 == 0 && y % 100 != 0) || y % 400 == 0; }

static Time time_of(int64_t micro) {
  static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  int64_t second = micro / 1000000 - (micro % 1000000 < 0), day = second / 86400 - (second % 86400 < 0), rest = second - day * 86400;
  Time t = {.year = 1970, .micro = micro - second * 1000000, .hour = (int)(rest / 3600), .minute = (int)(rest / 60 % 60), .second = (int)(rest % 60)};
  t.weekday = (int)(((day + 4) % 7 + 7) % 7);
  int64_t cycles = day / 146097 - (day % 146097 < 0);
  t.year += cycles * 400, day -= cycles * 146097;
  for (; day >= 365 + is_leap(t.year); t.year++) day -= 365 + is_leap(t.year);
  t.day_of_year = day;
  for (int n; day >= (n = lengths[t.month] + (t.month == 1 && is_leap(t.year))); t.month++) day -= n;
  t.day = (int)day + 1;
  return t;
}

static void put_number(TextRoom *o, int64_t v, int digits, char fill) {
  int64_t unit = 1;
  for (int i = 1; i < digits; i++) unit *= 10;
  for (; unit > 1 && v < unit; unit /= 10) room_bytes(o, &fill, 1);
  room_whole(o, v);
}

/* The ISO week, and the year that it belongs to. */
static int64_t iso_week(const Time *t, int64_t *year) {
  int64_t monday = (t->weekday + 6) % 7, week = (t->day_of_year - monday + 10) / 7;
  *year = t->year;
  if (week < 1) {
    int64_t last = 365 + is_leap(t->year - 1);
    --*year;
    return (t->day_of_year + last - monday + 10) / 7;
  }
  if (week == 53 && t->day_of_year - monday + 3 >= 365 + is_leap(t->year)) return ++*year, 1;
  return week;
}

static bool put_time(TextRoom *o, const Time *t, char c);

static bool put_times(TextRoom *o, const Time *t, const char *format) {
  bool good = true;
  for (; *format; format++)
    if (*format == '%') good &= put_time(o, t, *++format);
    else room_bytes(o, format, 1);
  return good;
}

static bool put_time(TextRoom *o, const Time *t, char c) {
  int64_t year, week = iso_week(t, &year), twelve = t->hour % 12 ? t->hour % 12 : 12;
  switch (c) {
  case 'a': room_bytes(o, days[t->weekday], 3); return true;
  case 'A': room_text(o, days[t->weekday]); return true;
  case 'b':
  case 'h': room_bytes(o, months[t->month], 3); return true;
  case 'B': room_text(o, months[t->month]); return true;
  case 'c': return put_times(o, t, "%a %b %e %H:%M:%S %Y");
  case 'C': put_number(o, t->year / 100, 2, '0'); return true;
  case 'd': put_number(o, t->day, 2, '0'); return true;
  case 'D':
  case 'x': return put_times(o, t, "%m/%d/%y");
  case 'e': put_number(o, t->day, 2, ' '); return true;
  case 'f': put_number(o, t->micro, 6, '0'); return true;
  case 'F': return put_times(o, t, "%Y-%m-%d");
  case 'G': room_whole(o, year); return true;
  case 'g': put_number(o, year % 100, 2, '0'); return true;
  case 'H': put_number(o, t->hour, 2, '0'); return true;
  case 'I': put_number(o, twelve, 2, '0'); return true;
  case 'j': put_number(o, t->day_of_year + 1, 3, '0'); return true;
  case 'k': put_number(o, t->hour, 2, ' '); return true;
  case 'l': put_number(o, twelve, 2, ' '); return true;
  case 'm': put_number(o, t->month + 1, 2, '0'); return true;
  case 'M': put_number(o, t->minute, 2, '0'); return true;
  case 'n': room_text(o, "\n"); return true;
  case 'p': room_text(o, t->hour < 12 ? "AM" : "PM"); return true;
  case 'P': room_text(o, t->hour < 12 ? "am" : "pm"); return true;
  case 'r': return put_times(o, t, "%I:%M:%S %p");
  case 'R': return put_times(o, t, "%H:%M");
  case 'S': put_number(o, t->second, 2, '0'); return true;
  case 't': room_text(o, "\t"); return true;
  case 'T':
  case 'X': return put_times(o, t, "%H:%M:%S");
  case 'u': room_whole(o, t->weekday ? t->weekday : 7); return true;
  case 'U': put_number(o, (t->day_of_year + 7 - t->weekday) / 7, 2, '0'); return true;
  case 'V': put_number(o, week, 2, '0'); return true;
  case 'w': room_whole(o, t->weekday); return true;
  case 'W': put_number(o, (t->day_of_year + 7 - (t->weekday + 6) % 7) / 7, 2, '0'); return true;
  case 'y': put_number(o, t->year % 100, 2, '0'); return true;
  case 'Y': room_whole(o, t->year); return true;
  case 'Z':
  case 'z': return true; /* a time without a zone */
  case '%': room_text(o, "%"); return true;
  default: return false;
  }
}

Json format_time(Eval *e, Json format, int64_t microseconds) {
  Time t = time_of(microseconds);
  if (format.kind != JSON_TEXT) return eval_fail(e, "a time's format is a text, and not a %s", value_type(format));
  TextRoom o = text_begin(e);
  for (uint32_t i = 0; i < format.n && !o.full && eval_charge(e, 1); i++) {
    if (format.text[i] != '%') {
      room_bytes(&o, &format.text[i], 1);
      continue;
    }
    bool bare = i + 2 < format.n && format.text[i + 1] == '-'; /* without zeros and blanks before it */
    i += bare ? 2 : 1;
    size_t before = o.n;
    if (i >= format.n || !put_time(&o, &t, format.text[i])) return eval_fail(e, "a time's format has a place that is not supported");
    size_t skip = before;
    while (bare && skip + 1 < o.n && (o.at[skip] == '0' || o.at[skip] == ' ')) skip++;
    for (size_t k = skip; k < o.n; k++) o.at[before + k - skip] = o.at[k];
    o.n -= skip - before;
  }
  return text_end(e, &o);
}

/* ---- zones ---- */

static const char *zone_number(const char *s, int64_t *out) {
  *out = 0;
  if (!is_digit(*s)) return NULL;
  for (; is_digit(*s); s++)
    if ((*out = *out * 10 + (*s - '0')) > 167) return NULL;
  return s;
}

/* [+-]hh[:mm[:ss]], by which UTC is ahead of the zone. */
static int64_t zone_offset(const char *s) {
  int64_t part, all = 0, unit = 3600;
  bool west = *s != '-';
  s += *s == '-' || *s == '+';
  for (; unit; unit = unit == 3600 ? 60 : unit == 60 ? 1 : 0) {
    if (!(s = zone_number(s, &part))) return 0;
    all += part * unit;
    if (*s != ':') break;
    s++;
  }
  return *s ? 0 : west ? -all : all;
}

int64_t template_zone(const char *tz) {
  const char *s = tz;
  if (!s) return 0;
  if (*s == '<') {
    while (*s && *s != '>') s++;
    s += *s == '>';
  } else
    while ((*s >= 'A' && *s <= 'Z') || (*s >= 'a' && *s <= 'z')) s++;
  return s > tz && *s ? zone_offset(s) : 0;
}
