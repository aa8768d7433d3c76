/* tokenizers.h -- tokenizers of all kinds as the tables that runtime/tokenizer.h reads. */
#ifndef LATHE_TOKENIZERS_H
#define LATHE_TOKENIZERS_H

#include "frontend/checkpoint.h"

typedef VEC(uint8_t) TokenizerBytes;

/* From a model folder, a tokenizer.json, a tokenizer.model or a GGUF file. False after a diag_error. */
bool tokenizer_load(Arena *a, Diag *d, const char *path, TokenizerBytes *out);
/* Is there one? Of a folder. */
bool tokenizer_in_folder(Arena *a, const char *folder);
/* From the settings of a GGUF file, if it has a vocabulary; false after a diag_error. */
bool tokenizer_from_settings(const Checkpoint *c, TokenizerBytes *out);

#endif
