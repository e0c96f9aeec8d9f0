#!/usr/bin/env bash
# Installs the library into a place of its own, and builds and runs an outside program against it: by find_package, and
# by pkg-config.   run.sh BUILD_DIRECTORY CXX
set -euo pipefail
build=$1 compiler=$2
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cmake --install "$build" --prefix "$work/prefix" >"$work/install.log" || { cat "$work/install.log"; exit 1; }

cmake -S "$here" -B "$work/outside" -G Ninja -DCMAKE_PREFIX_PATH="$work/prefix" -DCMAKE_CXX_COMPILER="$compiler" >"$work/cmake.log" 2>&1 &&
  cmake --build "$work/outside" >>"$work/cmake.log" 2>&1 || { cat "$work/cmake.log"; exit 1; }
"$work/outside/outside" "$work/store-1"

library=$(find "$work/prefix" -name pkgconfig -type d)
flags=$(PKG_CONFIG_PATH="$library" pkg-config --static --cflags --libs --define-variable=prefix="$work/prefix" ingot)
# shellcheck disable=SC2086
"$compiler" -std=c++20 -Wall -Wextra -Werror "$here/outside.cc" $flags -o "$work/by-pkg-config"
"$work/by-pkg-config" "$work/store-2"
"$work/prefix/bin/ingot" -s "$work/store-2" get greetings hello | grep -qx world
echo "an outside program builds and runs"
