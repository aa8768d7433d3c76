/* tokenizer_json.h -- what the two halves of the reader of tokenizer.json share. */
#ifndef LATHE_TOKENIZER_JSON_H
#define LATHE_TOKENIZER_JSON_H

#include <jansson.h>

#include "frontend/tokenizer_spec.h"

typedef VEC(int32_t) VecIds;

const char *json_type_name(const json_t *o);
SpecText json_text(const json_t *o); /* empty where it is no string */
bool json_flag(const json_t *o, const char *key, bool otherwise);
bool spec_surround(Spec *s, const VecIds *before, const VecIds *behind);

/* Each adds its steps; false after a diag_error. `letters`: bytes are letters from here on. */
bool json_read_normalizer(Spec *s, const json_t *o, bool *letters);
bool json_read_pre_tokenizer(Spec *s, const json_t *o, bool *letters);
bool json_read_decoder(Spec *s, const json_t *o);

#endif
