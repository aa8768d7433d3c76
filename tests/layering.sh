#!/usr/bin/env bash
# layering.sh -- checks that no folder includes what stands above it, and that file names are unique.
set -euo pipefail
cd "$(dirname "$0")/.."

declare -A may=(
  [ir]="ir"
  [passes]="passes ir"
  [codegen]="codegen ir runtime/abi.h"
  [frontend]="frontend passes codegen ir runtime/arguments.def runtime/tokenizer runtime/template runtime/template_filters.def runtime/template_tests.def runtime/json runtime/room runtime/utf8 runtime/decimal runtime/characters"
  [runtime]="runtime"
)
bad=0
for folder in "${!may[@]}"; do
  while IFS=: read -r file line text; do
    header=$(sed 's/.*"\(.*\)".*/\1/' <<<"$text")
    case $header in */*) ;; *) continue ;; esac
    ok=0
    for allowed in ${may[$folder]}; do
      case $header in "$allowed"/* | "$allowed" | "$allowed"*.h) ok=1 ;; esac
    done
    [ $ok = 1 ] || { echo "FAIL $file:$line: $folder/ may not include $header"; bad=1; }
  done < <(grep -rnE '^#include "' --include='*.c' --include='*.h' "$folder" 2>/dev/null || true)
done

twice=$(find ir passes codegen frontend runtime tests examples -name '*.[ch]' -exec basename {} \; | sort | uniq -d)
[ -z "$twice" ] || { echo "FAIL two files are called:" $twice; bad=1; }
[ $bad = 0 ] && echo "layering holds"
exit $bad
