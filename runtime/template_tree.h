/* template_tree.h -- a chat template as a tree of words, which the compiler writes and programs walk over.
 *
 * A node is the offset, in words, of [kind | words of its own << 8, line, words...]: offsets of other nodes (0: there is none),
 * places of variables, and pieces of the text that stands behind all nodes. A tree holds no pointers, and nothing that it says is
 * believed: who walks over it looks at each offset. */
#ifndef LRT_TEMPLATE_TREE_H
#define LRT_TEMPLATE_TREE_H

#include <stdint.h>

typedef enum TemplateNode {
#define NODE(name, ...) NODE_##name,
#include "runtime/template_nodes.def"
  NODE_kinds
} TemplateNode;

typedef enum TemplateFilter {
#define FILTER(name, ...) FILTER_##name,
#include "runtime/template_filters.def"
  FILTER_kinds
} TemplateFilter;

typedef enum TemplateTest {
#define TEST(name, ...) TEST_##name,
#include "runtime/template_tests.def"
  TEST_kinds
} TemplateTest;

/* What stands first. The text's bytes begin behind the last word of the nodes. */
enum { TREE_MAGIC, TREE_VERSION, TREE_WORDS, TREE_TEXT, TREE_ROOT, TREE_SLOTS, TREE_HEADER };
enum { TEMPLATE_MAGIC = 0x6a6e696a, TEMPLATE_VERSION = 1 };

/* How a variable begins where its scope does: unset; from what the caller gave; as one of an outer scope. */
enum { BEGIN_UNSET, BEGIN_GIVEN, BEGIN_OUTER };
/* Of a macro: what of a call it looks at. */
enum { MACRO_CALLER = 1, MACRO_KWARGS = 2, MACRO_VARARGS = 4, MACRO_OWN_CALLER = 8 };
enum { TREE_NO_SLOT = 0xffffffff };

/* Expressions and bodies within one another. */
enum { TEMPLATE_DEPTH = 200 };

#endif
