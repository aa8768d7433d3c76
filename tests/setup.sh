# setup.sh -- installs the Debian packages that are missing, and builds: sourced by examples/quickstart.sh and tests/run.sh.
#
# `need_packages PACKAGE...` asks apt only for what is not there, so that a second run needs no network.

build_packages="gcc libc6-dev cmake ninja-build pkg-config llvm-19-dev libprotobuf-c-dev protobuf-c-compiler \
libjansson-dev libicu-dev libstdc++-12-dev spirv-tools spirv-headers libvulkan-dev clang-19 lld-19"
test_packages="mesa-vulkan-drivers qemu-user nodejs tmux"
fuzz_packages="libclang-rt-19-dev"

say() { printf '\n== %s\n' "$*"; }

need_packages() {
  local missing="" p
  for p in "$@"; do
    [ "$(dpkg-query -W -f '${Status}' "$p" 2>/dev/null)" = "install ok installed" ] || missing="$missing $p"
  done
  [ -n "$missing" ] || return 0
  local root=""
  [ "$(id -u)" = 0 ] || root=sudo
  say "installing$missing"
  $root apt-get update -qq
  # shellcheck disable=SC2086
  $root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $missing >/dev/null
}

# build PRESET [TARGET...]: configures and builds, all or these; what it printed is shown if it fails.
build() {
  local preset=$1 log="build/$1/build.log"
  shift
  say "building ($preset)"
  mkdir -p "build/$preset"
  if ! { cmake --preset "$preset" && cmake --build --preset "$preset" ${1:+--target "$@"}; } >"$log" 2>&1; then
    cat "$log"
    exit 1
  fi
}
