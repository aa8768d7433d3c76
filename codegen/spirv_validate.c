/* spirv_validate.c -- asks SPIRV-Tools whether a module keeps the rules of Vulkan 1.2. */
#include "codegen/spirv_validate.h"

#include <spirv-tools/libspirv.h>

#include "ir/fatal.h"

static spv_context new_context(void) {
  spv_context c = spvContextCreate(SPV_ENV_VULKAN_1_2);
  if (!c) fatal_resource("no memory for SPIRV-Tools");
  return c;
}

const char *spirv_validate(const uint32_t *word, size_t n_words, Arena *a) {
  spv_context c = new_context();
  spv_diagnostic why = NULL;
  const char *wrong = NULL;
  if (spvValidateBinary(c, word, n_words, &why) != SPV_SUCCESS)
    wrong = why ? arena_printf(a, "word %zu: %s", why->position.index, why->error) : "not a module";
  spvDiagnosticDestroy(why);
  spvContextDestroy(c);
  return wrong;
}

char *spirv_disassemble(const uint32_t *word, size_t n_words, Arena *a) {
  spv_context c = new_context();
  spv_text text = NULL;
  uint32_t options = SPV_BINARY_TO_TEXT_OPTION_FRIENDLY_NAMES | SPV_BINARY_TO_TEXT_OPTION_INDENT;
  spv_result_t result = spvBinaryToText(c, word, n_words, options, &text, NULL);
  char *copy = result == SPV_SUCCESS ? arena_string(a, text->str, text->length) : NULL;
  spvTextDestroy(text);
  spvContextDestroy(c);
  return copy;
}
