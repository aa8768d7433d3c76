/* template_filter.h -- Jinja's filters, a function each. */
#ifndef LRT_TEMPLATE_FILTER_H
#define LRT_TEMPLATE_FILTER_H

#include "runtime/template_part.h"

/* A value, the arguments as they were given, and by their parameters. */
typedef Json FilterCall(Eval *e, Json v, const Args *a, const Json *p);

FilterCall filter_abs, filter_attr, filter_batch, filter_capitalize, filter_center, filter_default, filter_dictsort, filter_escape, filter_first,
    filter_float, filter_forceescape, filter_format, filter_groupby, filter_indent, filter_int, filter_items, filter_join, filter_last,
    filter_length, filter_list, filter_lower, filter_map, filter_max, filter_min, filter_reject, filter_rejectattr, filter_replace,
    filter_reverse, filter_round, filter_safe, filter_select, filter_selectattr, filter_slice, filter_sort, filter_string, filter_sum,
    filter_title, filter_tojson, filter_trim, filter_truncate, filter_unique, filter_upper, filter_urlencode, filter_wordcount;

#endif
