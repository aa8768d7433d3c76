/* onnx_packed.h -- codes narrower than a byte, as ONNX Runtime packs them into bytes. */
#ifndef LATHE_ONNX_PACKED_H
#define LATHE_ONNX_PACKED_H

#include "frontend/onnx_build.h"

/* Bytes as codes of 2, 4 or 8 bits, the low bits first, in this shape. The bytes of a constant stay where they are and get
 * the type u2 or u4; other bytes are taken apart into one u8 a code. */
Value *b_codes(Builder *b, Value *bytes, int64_t bits, int rank, const Dim *d);
/* Scales, or whatever has as many elements, in this shape; a constant stays where it is. */
Value *b_view(Builder *b, Value *v, int rank, const Dim *d);
/* An encoded value; without zeros, 2^(bits-1) stands for 0. */
Value *b_encoded(Builder *b, Value *codes, Value *scales, Value *zeros, int64_t bits, int64_t group);
/* 2, 4 or 8, or the node is refused. */
bool onnx_bits(OnnxCall *c, const char *name, int64_t dflt, int64_t *bits);

#endif
