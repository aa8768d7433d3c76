/* checkpoint.h -- a model's tensors by name, and its settings by key, wherever they are kept: what GGUF files and Hugging
 * Face folders have in common. */
#ifndef LATHE_CHECKPOINT_H
#define LATHE_CHECKPOINT_H

#include "ir/ir.h"

/* How elements are kept: as a plain type, or in blocks that are decoded (frontend/blocks.def). */
typedef struct CheckpointTensor {
  const char *name;
  File *file;
  int64_t offset, size; /* bytes */
  Dtype dtype;          /* DT_none: in blocks */
  int blocks;           /* which blocks */
  int rank;
  int64_t dim[MAX_RANK];
  Constant *constant; /* once it has been asked for */
} CheckpointTensor;

typedef enum SettingKind { SETTING_NONE, SETTING_INT, SETTING_FLOAT, SETTING_BOOL, SETTING_TEXT, SETTING_LIST } SettingKind;

typedef struct Setting {
  SettingKind kind;
  int64_t i; /* INT, BOOL */
  double f;  /* INT, FLOAT */
  const char *text;
  int64_t n; /* bytes of TEXT; how many there are in LIST */
  struct Setting *at;
} Setting;

typedef struct Checkpoint {
  Module *module;
  const char *path; /* of the file or folder, for messages */
  VEC(CheckpointTensor *) tensors;
  StrMap by_name;
  StrMap settings; /* to Setting; keys of objects within objects are joined by dots */
} Checkpoint;

/* False after a diag_error: the name is taken, or the bytes do not lie in the file or are not those of the shape. */
bool checkpoint_add(Checkpoint *c, const CheckpointTensor *t);
bool checkpoint_set(Checkpoint *c, const char *key, const Setting *s);

/* NULL if there is none. */
CheckpointTensor *checkpoint_tensor(const Checkpoint *c, const char *name);
const Setting *checkpoint_setting(const Checkpoint *c, const char *key);

/* The tensor as a constant of the module under `name`: mapped bytes, or an expression that decodes its blocks. */
Constant *checkpoint_constant(Checkpoint *c, CheckpointTensor *t, const char *name);

/* Warns of blocks that were decoded, and of tensors that nothing has asked for. */
void checkpoint_close(Checkpoint *c);

/* Each fills an empty checkpoint; false after a diag_error. */
bool gguf_read(Checkpoint *c, const char *path);
bool gguf_read_settings(Checkpoint *c, const char *path); /* and no tensors */
bool safetensors_read(Checkpoint *c, const char *folder);
/* The settings of a JSON file. */
bool settings_read_json(Checkpoint *c, const char *path);

#endif
