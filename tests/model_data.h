/* model_data.h -- finds models that tests run, and what others computed for them. */
#ifndef LATHE_MODEL_DATA_H
#define LATHE_MODEL_DATA_H

#include "ir/eval.h"

enum { MAX_TENSORS = 64, MAX_SETS = 16 };

typedef struct DataSet {
  const char *dir;
  int n_in, n_out;
  const char *in_name[MAX_TENSORS], *out_name[MAX_TENSORS];
  Tensor *in[MAX_TENSORS], *out[MAX_TENSORS];
} DataSet;

/* The model in a folder, or, where the folder has only the data, in LATHE_CORPUS; NULL where there is none. */
const char *data_model(Arena *a, const char *dir);
/* The folder's test_data_set_*; how many there are. */
int data_load(Arena *a, Diag *d, const char *dir, DataSet set[MAX_SETS]);
void data_release(DataSet *s);

#endif
