/* test_verify.c -- damage that no text can do, but a pass can: the verifier names it. */
#include <stdio.h>
#include <stdlib.h>

#include "ir/fatal.h"
#include "ir/text.h"
#include "ir/verify.h"

/* Two functions of the same size, a value with uses, a region, a constant, a model. */
static const char text[] = "lathe 1\n"
                           "weights @w\n"
                           "const @first : f32[2] = splat 1\n"
                           "const @sum : f32[2] = expr {\n"
                           "  %0 = const @first : f32[2]\n"
                           "  yield %0\n"
                           "}\n"
                           "state @kv linear batch 1 capacity 2 { k: f32[1] }\n"
                           "func @f<n, m>(%x: f32[n], %c: bool[]) -> (y: f32[n]) {\n"
                           "  %a = neg %x : f32[n]\n"
                           "  %b = gelu %a : f32[n]\n"
                           "  %d = if %c { yield %a } { yield %b } : f32[n]\n"
                           "  %k = const splat 2 : f32[2]\n"
                           "  %e = cast %d to=f16 : f16[n]\n"
                           "  %g = call @g %d : f32[n]\n"
                           "  return %g\n"
                           "}\n"
                           "func @g<n>(%x: f32[n]) -> (f32[n]) {\n"
                           "  %a = neg %x : f32[n]\n"
                           "  return %a\n"
                           "}\n"
                           "model @all { func @f weights @w state @kv }\n";

typedef struct Scene {
  Module *m;
  Func *f, *g;
  Node *a, *b, *d, *k, *e, *call; /* of f */
} Scene;

static Scene scene_new(Arena *arena) {
  Scene s = {.m = text_parse(arena, diag_new(arena), "scene", text, sizeof text - 1)};
  ensure(s.m && verify_module(s.m));
  s.f = module_find_func(s.m, "f");
  s.g = module_find_func(s.m, "g");
  s.a = s.f->body->first;
  s.b = s.a->next;
  s.d = s.b->next;
  s.k = s.d->next;
  s.e = s.k->next;
  s.call = s.e->next;
  return s;
}

/* ---- structure ---- */

static void other_function(Scene *s) { node_set_in(s->b, 0, s->g->body->first->out[0]); }
static void other_argument(Scene *s) { node_set_in(s->b, 0, s->g->body->arg[0]); }
static void own_result(Scene *s) { node_set_in(s->b, 0, s->b->out[0]); }
static void removed_value(Scene *s) { node_detach(s->a); }

static void later_value(Scene *s) {
  node_detach(s->a);
  node_insert_before(s->d, s->a);
}

static void out_of_region(Scene *s) {
  node_detach(s->b);
  node_insert_before(s->d->region[1]->first, s->b);
  node_set_in(s->e, 0, s->b->out[0]);
}

static void from_outside(Scene *s) {
  Node *yield = s->d->region[0]->last;
  node_set_in(yield, 0, s->d->out[0]);
}

static void broken_list(Scene *s) { s->b->prev = NULL; }
static void wrong_block(Scene *s) { s->d->region[0]->parent = s->b; }
static void wrong_owner(Scene *s) { s->a->out[0]->index = 3; }
static void wrong_argument(Scene *s) { s->f->body->arg[1]->index = 0; }
static void lost_use(Scene *s) { s->a->out[0]->uses = NULL; }
static void same_name(Scene *s) { s->b->out[0]->name = "a"; }

static void extra_region(Scene *s) { s->d->n_regions = 1; }

/* ---- types and attributes ---- */

static void no_type(Scene *s) { s->b->out[0]->type = NULL; }

static void unknown_size(Scene *s) {
  Dim d = dim_unknown(s->m->dims);
  s->b->out[0]->type = type_tensor(s->m->types, DT_f32, 1, &d);
}

static void foreign_size(Scene *s) { s->b->out[0]->type = s->g->body->arg[0]->type; }
static void no_dtype(Scene *s) { node_attr(s->e, attr_slot(cast, to))->i = DT_none; }
static void no_bool(Scene *s) { node_attr(s->b, attr_slot(gelu, tanh))->i = 2; }
static void no_constant(Scene *s) { node_attr(s->k, attr_slot(const, value))->constant = NULL; }
static void no_function(Scene *s) { node_attr(s->call, attr_slot(call, func))->func = NULL; }

static Constant *literal(Scene *s) { return node_attr(s->k, attr_slot(const, value))->constant; }
static void nameless_bound(Scene *s) { literal(s)->kind = CONSTANT_BOUND; }
static void foreign_constant(Scene *s) { literal(s)->name = "first"; }

/* ---- declarations ---- */

static void symbol_index(Scene *s) { s->f->symbols.at[1]->index = 7; }
static void symbol_name(Scene *s) { s->f->symbols.at[1]->name = "n"; }
static void no_body(Scene *s) { s->m->constants.at[1]->body = NULL; }

static void constants_reversed(Scene *s) {
  Constant *first = s->m->constants.at[0];
  s->m->constants.at[0] = s->m->constants.at[1];
  s->m->constants.at[1] = first;
}

static void untyped_constant(Scene *s) {
  Dim d = dim_symbol(s->m->dims, s->f->symbols.at[0]);
  s->m->constants.at[0]->type = type_tensor(s->m->types, DT_f32, 1, &d);
}

static void foreign_member(Scene *s) {
  Func *copy = ARENA_NEW(s->m->arena, Func);
  *copy = *s->f;
  s->m->models.at[0]->funcs.at[0] = copy;
}

static void foreign_weights(Scene *s) {
  s->m->models.at[0]->weights.at[0] = ARENA_NEW(s->m->arena, Weights), s->m->models.at[0]->weights.at[0]->name = "v";
}

static void foreign_state(Scene *s) {
  State *copy = ARENA_NEW(s->m->arena, State);
  *copy = *s->m->states.at[0];
  s->m->models.at[0]->states.at[0] = copy;
}

static const struct {
  void (*damage)(Scene *);
  const char *message;
} cases[] = {
    {other_function, "operand 0 is not defined before it, in `%b = gelu %a : f32[n]`"},
    {other_argument, "operand 0 is not defined before it, in `%b = gelu %x : f32[n]`"},
    {own_result, "operand 0 is not defined before it, in `%b = gelu %b : f32[n]`"},
    {removed_value, "operand 0 is not defined before it, in `%b = gelu %a : f32[n]`"},
    {later_value, "operand 0 is not defined before it, in `%b = gelu %a : f32[n]`"},
    {out_of_region, "operand 0 is not defined before it, in `%e = cast %b to=f16 : f16[n]`"},
    {from_outside, "operand 0 is not defined before it, in `yield %d`"},
    {broken_list, "the list of nodes is broken, in `%b = gelu %a : f32[n]`"},
    {wrong_block, "@f: a block is not where it says"},
    {wrong_owner, "result 0 does not know where it comes from, in `%a = neg %x : f32[n]`"},
    {wrong_argument, "@f: argument 1 is not where it says"},
    {lost_use, "@f: the list of uses of %a has not the 2 that there are"},
    {same_name, "@f has two values %a"},
    {extra_region, "1 regions instead of 2"},
    {no_type, "result 0 of type (no type) has no type, in `%b = gelu %a : (no type)`"},
    {unknown_size, "result 0 of type f32[?] has a size that is not known"},
    {foreign_size, "result 0 of type f32[n] has a size of another function"},
    {no_dtype, "attribute to is not an element type"},
    {no_bool, "attribute tanh is neither true nor false"},
    {no_constant, "attribute value is missing"},
    {no_function, "attribute func is not a function of this module"},
    {nameless_bound, "a constant without a name is an expression, or belongs to weights"},
    {foreign_constant, "@first is not in this module"},
    {symbol_index, "@f: size `m` is number 1 and says 7"},
    {symbol_name, "@f has two sizes `n`"},
    {no_body, "@sum is an expression without a body"},
    {constants_reversed, "@first comes after @sum, whose expression uses it"},
    {untyped_constant, "@first is f32[n], and a constant is a tensor of known sizes"},
    {foreign_member, "@all: function @f is not in this module"},
    {foreign_weights, "@all: weights @v are not in this module"},
    {foreign_state, "@all: state @kv is not in this module"},
};

static bool run(size_t i) {
  Arena *arena = arena_new();
  Scene s = scene_new(arena);
  cases[i].damage(&s);
  bool valid = verify_module(s.m);
  const char *got = diag_first(s.m->diag);
  bool ok = !valid && got && strstr(got, cases[i].message);
  if (!ok) printf("FAIL got `%s`, and `%s` was wanted\n", got ? got : "nothing", cases[i].message);
  arena_free(arena);
  return ok;
}

int main(void) {
  size_t n = sizeof cases / sizeof *cases, passed = 0;
  for (size_t i = 0; i < n; i++) passed += run(i);
  printf("%zu passed, %zu failed\n", passed, n - passed);
  return passed == n ? 0 : 1;
}
