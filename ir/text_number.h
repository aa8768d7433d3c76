/* text_number.h -- numbers as text: the shortest form that reads back as the same bits. */
#ifndef LATHE_TEXT_NUMBER_H
#define LATHE_TEXT_NUMBER_H

#include "ir/dtype.h"

enum { NUMBER_TEXT = 48 };

/* Writes the element with these bits: decimal, `inf`, `-inf`, `nan` (the canonical one), or hexadecimal bits where no
 * decimal number reads back as the same. */
void number_text(Dtype t, uint64_t bits, char out[NUMBER_TEXT]);

/* Reads such a form; the sign comes apart, since it is a token of its own. NULL, or what is wrong with it, to be put
 * between the number and the type in a message. */
const char *number_read(Dtype t, bool negative, const char *s, size_t n, uint64_t *bits);

#endif
