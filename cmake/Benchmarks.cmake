# SPDX-License-Identifier: Apache-2.0
# Every benchmarks/NAME.cpp is a program benchmark_NAME. Its first lines may say what it links:
# "// rooms: paging containment", and "// uses: benchmark" for Google Benchmark.
file(GLOB benchmarks CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/benchmarks/*.cpp")
add_custom_target(benchmarks)
foreach(source IN LISTS benchmarks)
  get_filename_component(name "${source}" NAME_WE)
  set(target "benchmark_${name}")
  add_executable(${target} "${source}")
  add_dependencies(benchmarks ${target})
  target_include_directories(${target} PRIVATE "${PROJECT_SOURCE_DIR}/src" "${PROJECT_SOURCE_DIR}/include"
                             "${PROJECT_SOURCE_DIR}/benchmarks")
  target_link_libraries(${target} PRIVATE smmu_options)
  file(STRINGS "${source}" words LIMIT_COUNT 20 REGEX "^// (rooms|uses): ")
  foreach(line IN LISTS words)
    string(REGEX REPLACE "^// (rooms|uses): *" "" names "${line}")
    separate_arguments(names)
    if(line MATCHES "^// rooms")
      list(TRANSFORM names REPLACE "/" "_")
      list(TRANSFORM names PREPEND "smmu_")
      target_link_libraries(${target} PRIVATE ${names})
    elseif(names STREQUAL "benchmark")
      find_package(benchmark REQUIRED)
      target_link_libraries(${target} PRIVATE benchmark::benchmark)
    endif()
  endforeach()
endforeach()

# The page-table engine as a shared object, so that it can be timed beside others: see benchmarks/engine.cpp.
add_library(smmu-engine-bench SHARED "${PROJECT_SOURCE_DIR}/benchmarks/engine/library.cpp")
target_include_directories(smmu-engine-bench PRIVATE "${PROJECT_SOURCE_DIR}")
target_link_libraries(smmu-engine-bench PRIVATE smmu_options smmu_units)
set_target_properties(smmu-engine-bench PROPERTIES CXX_VISIBILITY_PRESET hidden
                      LIBRARY_OUTPUT_DIRECTORY "${CMAKE_RUNTIME_OUTPUT_DIRECTORY}")
target_include_directories(benchmark_engine PRIVATE "${PROJECT_SOURCE_DIR}")
add_dependencies(benchmark_engine smmu-engine-bench)

# The service on a machine without hardware, for benchmarks of the service alone, and the least that starting it could cost.
add_executable(smmuman-null EXCLUDE_FROM_ALL "${PROJECT_SOURCE_DIR}/src/daemon/main.cpp"
               "${PROJECT_SOURCE_DIR}/benchmarks/null/registry.cpp")
add_executable(smmuman-floor EXCLUDE_FROM_ALL "${PROJECT_SOURCE_DIR}/benchmarks/null/floor.cpp")
foreach(target smmuman-null smmuman-floor)
  target_include_directories(${target} PRIVATE "${PROJECT_SOURCE_DIR}/benchmarks")
  target_link_libraries(${target} PRIVATE smmu_daemon)
  add_dependencies(benchmarks ${target})
endforeach()
