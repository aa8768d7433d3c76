/* odd.c -- a model whose names C does not take, with every kind of type and rank: odd.ir, as its header has it. */
#include <stdio.h>
#include <string.h>

#include "odd.h"

static int failures;
#define CHECK(e) ((e) ? (void)0 : (void)(failures++, printf("FAIL %s:%d: %s\n", __FILE__, __LINE__, #e)))

int main(void) {
  static const float class_[] = {1, 2, 3.5f};
  static const int8_t a_b[] = {1, -2, 3, 4, 5, -128};
  static const bool flags[] = {true, false};
  static const double n = 21;
  static const uint16_t half[] = {0x3c00, 0xc000, 0}, brain[] = {0x3f80, 0xc000, 0};
  odd_inputs in = {.n = 3, .batch = 2, .class_ = class_, .a_b = a_b, .a_b_2 = flags, .n_2 = &n, .half = half, .brain = brain};
  odd_outputs out;
  odd_error error;
  odd_model *m = odd_open(NULL, &error);
  odd_session *s = m ? odd_session_open(m, 2, &error) : NULL;
  if (!s || !odd_run(s, &in, &out, &error)) return printf("FAIL %s\n", error.text), 1;
  CHECK(*out.int_ == 42);
  CHECK(*out.sum_of_all == 6.5f);
  CHECK(out.mixed_shape[0] == 2 && out.mixed_shape[1] == 3 && out.mixed[0] == 2 && out.mixed[5] == -256);
  CHECK(out.picked_shape[0] == 2 && !out.picked[0] && out.picked[1]);
  CHECK(out.twice_shape[0] == 3 && out.twice[0] == 0x4000 && out.twice[1] == 0xc400 && out.twice[2] == 0);
  CHECK(out._2_shape[0] == 3 && out._2[0] == 0x4000 && out._2[1] == 0xc080);
  CHECK(out.rows_shape[0] == 2 && out.rows_shape[1] == 2 && out.rows[1] == 1 && out.rows[2] == 0);
  in.n = 10;
  CHECK(!odd_run(s, &in, &out, &error) && strstr(error.text, "built for 9 at most"));
  odd_session_close(s);
  odd_close(m);
  if (failures == 0) puts("odd names behave");
  return failures > 0;
}
