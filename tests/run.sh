#!/usr/bin/env bash
# run.sh -- installs what is missing, builds, and runs the tests.
#
#   tests/run.sh            all tests
#   tests/run.sh --quick    those that take under 30 seconds together
#   tests/run.sh --oracles  compares live with what others compute (installs ONNX Runtime and NumPy in a venv)
set -euo pipefail
cd "$(dirname "$0")/.."
. tests/setup.sh

mode=${1:---all}
case $mode in --all | --quick | --oracles) ;; *) sed -n '2,6s/^# \{0,1\}//p' "$0"; exit 2 ;; esac

# One line for all: a test that counts its own cases says `N passed, N failed, N skipped`; any other counts as one.
summarise() {
  awk '
    /^[0-9]+: [0-9]+ passed, [0-9]+ failed, [0-9]+ skipped/ { n = FILENAME $1; own[n] = 1; p[n] += $2; f[n] += $4; s[n] += $6 }
    /Test +#[0-9]+:/ {
      match($0, /#[0-9]+:/)
      n = FILENAME substr($0, RSTART + 1, RLENGTH - 1)
      if (/Skipped/) s[n]++
      else if (/ Passed /) { if (!own[n]) p[n] = 1 }
      else if (/\*\*\*/ && !f[n]) f[n] = 1
      seen[n] = 1
    }
    END {
      for (n in seen) { passed += p[n]; failed += f[n]; skipped += s[n] }
      printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped
      exit failed > 0 || passed == 0
    }' "$@"
}

# run_tests PRESET ARGUMENTS...: runs them, shows the failures and why something was skipped, and counts.
run_tests() {
  local preset=$1 log
  shift
  log="build/$preset/tests.log"
  say "testing ($preset)"
  (cd "build/$preset" && ctest --output-on-failure -V -j"$(nproc)" "$@") >"$log" 2>&1 || true
  grep -E '^ *[0-9]+/[0-9]+ Test' "$log" || true
  grep -E '^[0-9]+: *(skip|FAIL)' "$log" | cut -c1-200 | head -100 || true
}

# shellcheck disable=SC2086
need_packages $build_packages $test_packages

case $mode in
--quick)
  build dev
  run_tests dev -L quick
  summarise build/dev/tests.log
  ;;
--all)
  build asan
  build tsan test_pool test_session
  build dev
  run_tests asan -L quick
  run_tests tsan -L threads
  run_tests dev
  summarise build/asan/tests.log build/tsan/tests.log build/dev/tests.log
  ;;
--oracles)
  need_packages python3-venv
  build release
  venv=build/venv
  [ -x $venv/bin/python ] || python3 -m venv $venv
  $venv/bin/pip install -q -r tests/oracles/requirements-compare.txt
  $venv/bin/python tests/oracles/compare_live.py build/release/lathe
  $venv/bin/python tests/oracles/make_operator_cases.py --seed "$RANDOM" --out build/operators # fresh ones
  build/release/tests/contrib_ops --via eval build/operators/*.jsonc
  $venv/bin/python tests/tensor/make_expectations.py --check
  $venv/bin/python tests/oracles/make_tokenizers.py compare build/release/tests/tokenize_many 20000
  ;;
esac
