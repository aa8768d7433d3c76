/* text.h -- the text form: what is printed parses to the same thing. docs/ir.md describes it. */
#ifndef LATHE_TEXT_H
#define LATHE_TEXT_H

#include <stdio.h>

#include "ir/ir.h"

void text_print(const Module *m, FILE *out);
/* A function without its locations: what two functions that do the same have in common, but for their names. */
void text_print_unplaced(const Func *f, FILE *out);
/* Gives each value without a name the number that it is printed with, and returns how many there are; named ones get -1. */
int text_number_values(const Func *f);
/* One line without its newline, for messages. */
char *text_node(Arena *a, const Node *n);

/* Parses a module; NULL after errors, all of which are reported, with lines. `file` is its name in messages. */
Module *text_parse(Arena *a, Diag *d, const char *file, const char *text, size_t size);

#endif
