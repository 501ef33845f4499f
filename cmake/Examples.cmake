# SPDX-License-Identifier: Apache-2.0
# The example programs: clients of libsmmu, on an emulated board. None is installed.
add_library(smmu_examples_machine STATIC examples/machine.cpp)
target_include_directories(smmu_examples_machine PUBLIC "${PROJECT_SOURCE_DIR}/examples" "${PROJECT_SOURCE_DIR}/include")
target_link_libraries(smmu_examples_machine PRIVATE smmu_link smmu_options)

foreach(example edu_driver guest_memory fd_driver monitor)
  add_executable(${example} examples/${example}.c)
  target_include_directories(${example} PRIVATE "${PROJECT_SOURCE_DIR}/examples" "${PROJECT_SOURCE_DIR}/include")
  target_link_libraries(${example} PRIVATE smmu_examples_machine libsmmu_shared smmu_options)
endforeach()

add_executable(demo_story examples/demo_story.cpp examples/stage.cpp examples/program.cpp examples/unit_kind.cpp
               examples/doorbell.cpp)
target_link_libraries(demo_story PRIVATE smmu_examples_machine smmu_link fmt::fmt smmu_options)
