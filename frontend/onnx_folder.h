/* onnx_folder.h -- folders of ONNX models, as optimum and the builder of ONNX Runtime's GenAI write them. */
#ifndef LATHE_ONNX_FOLDER_H
#define LATHE_ONNX_FOLDER_H

#include "ir/ir.h"

/* The graph in a folder; NULL where there is none, or the path names no folder. */
const char *onnx_in_folder(Arena *a, Diag *d, const char *path);
/* How many positions the model was made for, by the settings beside the graph; 0 where they do not say. */
int64_t onnx_folder_context(Arena *a, Diag *d, const char *graph);
/* What a program needs to know of a decoder, from the files beside its graph: its tokenizer, and which tokens mean what. False after a
 * diag_error. */
bool onnx_add_folder_facts(Module *m, const char *graph);

#endif
