#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Builds what arm64 guests run, in build/arm64: some minutes the first time.
set -eu
cd "$(dirname "$0")/../.."
cmake --preset arm64
exec cmake --build --preset arm64 --target linux_guest_programs
