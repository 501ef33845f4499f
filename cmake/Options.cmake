# SPDX-License-Identifier: Apache-2.0
# Compiler options shared by everything that is built here.
add_library(smmu_options INTERFACE)

if(SMMU_STRICT)
  target_compile_options(smmu_options INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion
    -Wcast-align -Winvalid-pch -Werror
    $<$<COMPILE_LANGUAGE:CXX>:-Wold-style-cast -Wnon-virtual-dtor -Woverloaded-virtual>)
  # g++ 12 reports false null dereferences and uninitialised reads inside its own library once sanitizers or -O2 inline it.
endif()
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  target_compile_options(smmu_options INTERFACE -mcx16)  # 16-byte entries are replaced by one store
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # Two words just stored must not be loaded as one vector: the processor cannot forward that, and every request waits for it.
  target_compile_options(smmu_options INTERFACE -fno-tree-slp-vectorize)
endif()
if(SMMU_SANITIZE)
  target_compile_options(smmu_options INTERFACE -fsanitize=${SMMU_SANITIZE} -fno-omit-frame-pointer
                         -fno-sanitize-recover=all)
  target_link_options(smmu_options INTERFACE -fsanitize=${SMMU_SANITIZE})
endif()
