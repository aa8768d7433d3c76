#!/usr/bin/env bash
# test_library.sh LATHE -- models compiled into C libraries: the example, and each kind of library linked into a program.
. "$(dirname "$0")/command.sh" "$1"
strict="-std=c17 -pedantic -Wconversion -Werror"

# the example, built by its own script: two models, four threads, the same text every time
CFLAGS=$strict "$root/examples/library/build.sh" "$lathe" "$made" >text 2>said || fail "the example: $(cat said)"
[ "$(grep -c ' -> ' text)" = 4 ] || fail "the example says: $(cat text)"
./generate | cmp - text || fail "the example's texts differ from run to run"

# only the model's own functions are there for others, and nothing is kept in global variables
for file in libdecoder.a best.o; do
  name=${file#lib} name=${name%.*}
  nm "$file" | awk '$2 ~ /^[A-Z]$/ && $2 != "U" { print $3 }' | grep -v "^${name}_" && fail "$file exports more"
  size -A "$file" | awk '$1 == ".data" || $1 == ".bss" { n += $2 } END { exit n > 0 }' || fail "$file has variables"
done
nm -D libdecoder.so | awk '$2 == "T" { print $3 }' | grep -v "^decoder_" && fail "libdecoder.so exports more"

# the same bytes again, from elsewhere; with another weight there are other weights of the same size
mkdir elsewhere
(cd elsewhere && TZ=Asia/Tokyo "$lathe" build "$root/examples/model/decoder.onnx" --emit lib -o decoder -q)
for file in libdecoder.a libdecoder.so decoder.h decoder.weights; do cmp "$file" "elsewhere/$file" || fail "$file differs"; done
sed '/^const @main.wte /s/ @f0 3888/ @f0 3892/' <("$lathe" ir "$root/examples/model/decoder.onnx") >other.ir
"$lathe" build other.ir --emit lib -o other -q || fail "another model does not build"

# what a program computes, a library does, too: linked statically, dynamically, from an object, and in every way it is asked
"$lathe" build "$root/examples/model/decoder.onnx" --cache off -o program -q
./program --in "input_ids=$root/examples/model/input_ids.npy" --out-dir results || fail "the program does not run"
calls="$root/tests/library/calls.c -pthread -I ."
cc $strict -O1 $calls libdecoder.a -o static && ./static decoder.weights other.weights "$root/examples/model/input_ids.npy" results/logits.npy ||
  fail "the static library"
cc $strict -O1 $calls -L . -ldecoder -Wl,-rpath,. -o dynamic 2>said || fail "$(cat said)"
rm -f hidden.a && mv libdecoder.a hidden.a
cc $strict -O1 $calls -L . -ldecoder -Wl,-rpath,. -o dynamic && ./dynamic decoder.weights other.weights "$root/examples/model/input_ids.npy" results/logits.npy ||
  fail "the shared library"
mv hidden.a libdecoder.a
if echo 'int main(void) { return 0; }' | cc -xc -fsanitize=thread - -o tsan 2>/dev/null && ./tsan; then
  cc $strict -g -O1 -fsanitize=thread $calls libdecoder.a -o tsan &&
    ./tsan decoder.weights other.weights "$root/examples/model/input_ids.npy" results/logits.npy || fail "under the thread sanitizer"
else
  echo "skip: what the thread sanitizer would say, which cc does not have here"
fi

# names that C does not take, all types and ranks; and what happens where the system has no more to give
"$lathe" build "$root/tests/library/odd.ir" --emit obj -o odd.o -q && cc $strict -Wall -Wextra -I . "$root/tests/library/odd.c" odd.o -pthread -o odd &&
  ./odd || fail "odd names"
cc -std=c17 -Wall -Wextra -I . "$root/tests/library/scarce.c" libdecoder.a -pthread -o scarce && ./scarce decoder.weights || fail "scarcity"

# states stay in their session
"$lathe" build "$root/tests/library/kept.ir" --emit obj -o kept.o -q &&
  cc $strict -Wall -Wextra -I . "$root/tests/library/kept.c" kept.o -pthread -o kept && ./kept || fail "states"

# a language model's texts: the same as its program's, however they are made
corpus=${LATHE_CORPUS:-$root/../shared/corpus}
if [ -f "$corpus/stories260k/stories260K.gguf" ]; then
  "$lathe" build "$corpus/stories260k/stories260K.gguf" -o talker -q && "$lathe" build "$corpus/stories260k/stories260K.gguf" --emit lib -o talk -q
  ./talker -p "Tom and his dog" -n 80 --temp 0 >expected || fail "the program of a language model"
  cc $strict -Wall -Wextra -I . "$root/tests/library/talk.c" libtalk.a -pthread -o talk && ./talk talk.weights "Tom and his dog" expected || fail "texts"
  echo '#include "talk.h"' >only.c
  cc -std=c99 -pedantic -Wall -Wextra -Werror -fsyntax-only only.c || fail "talk.h is not C99"
else
  echo "skip: texts of a language model, for which there is no corpus"
fi

# the header is C99 and C++
echo '#include "decoder.h"' >only.c
cc -std=c99 -pedantic -Wall -Wextra -Werror -fsyntax-only only.c || fail "decoder.h is not C99"
if command -v c++ >/dev/null; then c++ -xc++ -std=c++11 -Wall -Wextra -Werror -fsyntax-only only.c || fail "decoder.h is not C++"; fi

[ $bad = 0 ] && echo "libraries behave"
exit $bad
