#!/usr/bin/env bash
# test_talk.sh LATHE -- programs of language models in a real terminal: text appears while it is made, Ctrl-C stops a reply and not the
# program, a conversation has a history, and wide characters, closed pipes and no terminal at all do no harm.
. "$(dirname "$0")/command.sh"
corpus=${LATHE_CORPUS:-$root/../shared/corpus}
model=$corpus/stories260k/stories260K.gguf
command -v tmux >/dev/null || { echo "skip: there is no tmux"; exit 0; }
[ -f "$model" ] || { echo "skip: stories260K is not there (LATHE_CORPUS)"; exit 0; }
"$lathe" build "$model" -o stories -q || exit 1

socket= terminals=0
trap 'term kill-server; rm -rf "$made"' EXIT
term() { tmux -S "$socket" "$@" 2>/dev/null; }
screen() { term capture-pane -p -J -S -2000 | sed 's/ *$//'; }
# start COMMAND...: in a new terminal; the old one is gone
start() {
  [ -z "$socket" ] || term kill-server
  socket=$made/tmux$((++terminals))
  LC_ALL=C.UTF-8 tmux -f /dev/null -S "$socket" -u new-session -d -x 200 -y 50 "$*; echo ended with \$?; sleep 1000"
}
# appears TEXT: within 30 seconds
appears() {
  for _ in $(seq 300); do
    case $(screen) in *"$1"*) return 0 ;; esac
    sleep 0.1
  done
  fail "never appears: '$1'; the screen is: $(screen)"
}
# after_last TEXT: what the screen says behind it
after_last() { screen | awk -v t="$1" '{ all = all $0 "\n" } END { n = split(all, part, t); printf "%s", part[n] }'; }

# a conversation, and what the whole of it makes
start ./stories -i --temp 0 -n 12
appears "Ctrl-D ends"
term send-keys -l "Once upon a time"; term send-keys Enter
appears "there was a little"
term send-keys -l " dog"; term send-keys Enter
appears "dog"
sleep 1
first=$(./stories -p "Once upon a time" --temp 0 -n 12)
second=$(./stories --temp 0 -n 12 --ids "$(./stories --tokenize -p "Once upon a time$first"),$(./stories --tokenize -p ' dog' | cut -d, -f2-)" | xargs ./stories --detokenize --ids)
case $(screen | tr -d '\n') in *"$second"*) ;; *) fail "the second reply knows nothing of the first: '$second' is not in: $(screen)" ;; esac
term send-keys C-d
appears "ended with 0"

# the terminal edits lines, characters of several bytes, too
start ./stories -i --temp 0 -n 12
appears "Ctrl-D ends"
term send-keys -l "漢字"; term send-keys BSpace BSpace; term send-keys -l "Once upon a time"; term send-keys Enter
appears "there was a little"
term send-keys -l "/clear"; term send-keys Enter
term send-keys -l "é漢🙂"; term send-keys Enter
appears "é漢🙂"
sleep 1
term send-keys -l "/exit"; term send-keys Enter
appears "ended with 0"
case $(screen) in *$'\xef\xbf\xbd'*) fail "half a character was written: $(screen)" ;; esac

# Ctrl-C: an emulated program is slow enough to be stopped
if command -v qemu-aarch64 >/dev/null; then
  "$lathe" build "$model" -o slow -q --target aarch64-linux || fail "no program for aarch64"
  start qemu-aarch64 ./slow -i -t 1 --temp 0
  appears "Ctrl-D ends"
  term send-keys -l "Once upon a time"; term send-keys Enter
  appears "there was"
  term send-keys C-c
  appears "(stopped)"
  term send-keys -l "The cat"; term send-keys Enter
  sleep 1
  term send-keys C-c
  for _ in $(seq 100); do [ "$(screen | grep -c '(stopped)')" -ge 2 ] && break; sleep 0.1; done
  [ "$(screen | grep -c '(stopped)')" -ge 2 ] || fail "the second reply is not stopped: $(screen)"
  term send-keys C-c
  appears "ended with 0"
else
  echo "skip: there is no qemu-aarch64, so no reply is slow enough to be stopped"
fi

# Ctrl-C at the prompt asks first; without -i it ends the program as any other
start ./stories -i
appears "Ctrl-D ends"
term send-keys C-c
appears "Ctrl-C again"
term send-keys C-c
appears "ended with 0"

# a pipe that is closed ends it, and no terminal is no trouble
( timeout 20 ./stories -n 1900 --temp 0; echo $? >status ) | head -c 10 >/dev/null
[ "$(cat status)" != 124 ] || fail "a closed pipe does not end it"
expect 0 "" timeout 20 setsid ./stories -i </dev/null
[ -z "$said" ] || fail "without a terminal it says: $said"
printf 'Once upon a time\n/clear\nOnce upon a time' | timeout 20 setsid ./stories -i -n 12 --temp 0 >two 2>err || fail "lines from a pipe"
printf '%s\n%s\n' "$first" "$first" | cmp - two || fail "two turns from a pipe: $(cat two)"
[ ! -s err ] || fail "turns from a pipe say: $(cat err)"

[ $bad = 0 ] && echo "it talks"
exit $bad
