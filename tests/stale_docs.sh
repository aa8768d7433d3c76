#!/usr/bin/env bash
# stale_docs.sh LATHE -- checks that the pages made from tables are those that `lathe docs` would make now, and that
# docs/architecture.md names only functions that exist.
set -euo pipefail
cd "$(dirname "$0")/.."
made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT
"$1" docs "$made"
bad=0
for page in "$made"/*; do
  name=$(basename "$page")
  cmp -s "$page" "docs/$name" || { echo "FAIL docs/$name is stale: run \`lathe docs docs\`"; bad=1; }
done
for word in $(grep -oE '`[a-z_0-9]+\(\)`' docs/architecture.md docs/hacking.md | grep -oE '[a-z_0-9]+\(' | tr -d '(' | sort -u); do
  grep -rqE "\b$word\(" --include='*.c' --include='*.h' ir passes frontend codegen runtime tests ||
    { echo "FAIL docs name $word(), which does not exist"; bad=1; }
done
[ $bad = 0 ] && echo "docs are fresh"
exit $bad
