# command.sh -- what tests of commands share: `. command.sh LATHE` makes a folder that goes away in the end and goes there. It gives
# $lathe, $root (the repository), $made (the folder), $bad, fail and expect.
set -uo pipefail
lathe=$(realpath "$1")
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT
cd "$made"
bad=0
fail() { echo "FAIL $*"; bad=1; }
# expect STATUS TEXT COMMAND...: it ends with the status, and says the text
expect() {
  local status=$1 text=$2 got
  shift 2
  said=$("$@" 2>&1)
  got=$?
  [ $got = "$status" ] || fail "status $got and not $status: $*: $said"
  case $said in *"$text"*) ;; *) fail "says nothing of '$text': $*: $said" ;; esac
}
