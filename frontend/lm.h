/* lm.h -- language models: Hugging Face folders and GGUF files become functions over rows.
 *
 * A decoder's function takes rows: the token, the position and the sequence of each, and the rows of which logits are wanted; its
 * caches are states. One token, a chunk of a prompt and a batch of unequal sequences are the same function. */
#ifndef LATHE_LM_H
#define LATHE_LM_H

#include "frontend/checkpoint.h"
#include "ir/bind.h"

typedef enum LmFamily {
#define FAMILY(name, ...) LM_##name,
#include "frontend/families.def"
  LM_families
} LmFamily;

typedef enum LmRole {
#define TENSOR(role, ...) ROLE_##role,
#include "frontend/families.def"
  ROLE_count
} LmRole;

typedef enum LmScaling { SCALING_none, SCALING_linear, SCALING_dynamic, SCALING_llama3, SCALING_yarn, SCALING_count } LmScaling;

typedef struct LmConfig {
  LmFamily family;
  bool gguf;
  bool pairs; /* rotary pairs are neighbours */
  bool tied;  /* the head is the embedding, whatever else the file holds */
  LmScaling scaling;
  const char *act;
#define NUMBER(field, ...) double field;
#include "frontend/families.def"
  int64_t sequences, rows; /* of a cache, and of the context that it holds */
} LmConfig;

typedef struct LmOptions {
  int n_dims;
  const Binding *dim; /* context and sequences are sizes of the caches; others of the function */
} LmOptions;

/* Does the path name a model that lm_import reads? */
bool lm_knows(Arena *a, const char *path);
/* NULL after a diag_error. */
Module *lm_import(Arena *a, Diag *d, const char *path, const LmOptions *o);

/* ---- between the parts of the import ---- */

typedef enum LmKind { LM_DECODER, LM_ENCODER } LmKind;
typedef enum LmNorm { LM_RMS, LM_LAYER } LmNorm;
typedef enum LmPositions { LM_ROPE, LM_LEARNED } LmPositions;
typedef enum LmLayout { LM_ROWS, LM_COLUMNS } LmLayout;

typedef struct LmFamilyInfo {
  const char *name, *classes, *gguf;
  LmKind kind;
  LmNorm norm;
  LmPositions positions;
  LmLayout layout;
  const char *prefixes, *docs;
} LmFamilyInfo;

const LmFamilyInfo *lm_family(LmFamily f);

/* Reads and checks the settings; false after a diag_error. */
bool lm_config(Checkpoint *c, bool gguf, LmConfig *config);
/* A role's tensor in a layer (-1: outside of layers), its weight or its bias; NULL if there is none. */
CheckpointTensor *lm_tensor(const Checkpoint *c, const LmConfig *config, LmRole role, int64_t layer, bool bias);
/* What it is called, or would be. */
const char *lm_tensor_name(const Checkpoint *c, const LmConfig *config, LmRole role, int64_t layer);
const char *lm_role_name(LmRole role);
bool lm_windowed(const Checkpoint *c, const LmConfig *config, int64_t layer);
/* By how much each pair of a head turns from one position to the next: f32[head / 2] at most; and what sines and cosines are
 * multiplied by. */
int lm_frequencies(const LmConfig *c, float *out);
double lm_rope_factor(const LmConfig *c);

/* What a program needs to know besides; false after a diag_error. */
bool lm_add_tokenizer(Checkpoint *c, const LmConfig *config, Model *model);
/* The tokens that a setting names, of so many that the model has, as a fact. */
void lm_add_tokens(Checkpoint *c, Model *model, const char *name, const Setting *s, int64_t words);
bool lm_add_facts(Checkpoint *c, const LmConfig *config, Model *model, int64_t words);

/* The function, in the checkpoint's module; false after a diag_error. */
bool lm_build(Checkpoint *c, const LmConfig *config);

#endif
