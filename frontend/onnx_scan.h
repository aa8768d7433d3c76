/* onnx_scan.h -- the wire form of an ONNX file: checked first, then unpacked without the tensors' contents. */
#ifndef LATHE_ONNX_SCAN_H
#define LATHE_ONNX_SCAN_H

#include <protobuf-c/protobuf-c.h>

#include "ir/diag.h"

enum {
  ONNX_MAX_DEPTH = 64,          /* messages within messages */
  ONNX_MAX_MESSAGES = 4000000,  /* a model of 100,000 nodes has about a tenth of that */
  ONNX_MAX_STRUCTURE = 1 << 29, /* bytes that are not tensors' contents, or must be decoded, as varints must */
};

/* Unpacks `wire` as a `root` message into the arena. Lengths, depth and the number of messages are checked before
 * protobuf-c, which does none of that, sees anything; and what it sees is the structure alone: for the contents of each
 * tensor there are Spans, offsets from the start of `wire`. NULL after a diag_error that names the byte.
 * `structure`, if not NULL, gets the number of bytes of that kind. */
ProtobufCMessage *onnx_unpack(Arena *a, Diag *d, Loc loc, const ProtobufCMessageDescriptor *root, const void *wire,
                              size_t size, size_t *structure);

#endif
