/* spirv_validate.h -- asks SPIRV-Tools whether a module keeps the rules of Vulkan 1.2. */
#ifndef LATHE_SPIRV_VALIDATE_H
#define LATHE_SPIRV_VALIDATE_H

#include <stddef.h>
#include <stdint.h>

#include "ir/arena.h"

/* NULL, or what is wrong, in the arena. */
const char *spirv_validate(const uint32_t *word, size_t n_words, Arena *a);
/* The module as assembly, for dumps and for tests. */
char *spirv_disassemble(const uint32_t *word, size_t n_words, Arena *a);

#endif
