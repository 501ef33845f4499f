# SPDX-License-Identifier: Apache-2.0
# The promises of smmu.h and smmu_ext.h to programs outside this tree; needs cmake/Client.cmake.
set(headers_tests "${PROJECT_SOURCE_DIR}/tests/headers")
set(headers_include "${PROJECT_SOURCE_DIR}/include")
if(SMMU_SANITIZE)
  set(headers_link_flags "-fsanitize=${SMMU_SANITIZE}")
else()
  set(headers_link_flags "")
endif()

add_test(NAME headers_matrix COMMAND "${headers_tests}/matrix.sh" "${headers_include}")
add_test(NAME headers_symbols COMMAND "${headers_tests}/symbols.sh" $<TARGET_FILE:libsmmu_shared>
                                      "${PROJECT_SOURCE_DIR}/src/client/libsmmu.map" "${headers_include}")
add_test(NAME headers_link COMMAND "${headers_tests}/link.sh" $<TARGET_FILE:libsmmu_static>
                                   $<TARGET_FILE:libsmmu_shared> "${headers_include}" ${headers_link_flags})
set_tests_properties(headers_matrix headers_symbols headers_link PROPERTIES LABELS unit TIMEOUT 300
                     ENVIRONMENT "CC=${CMAKE_C_COMPILER}")
