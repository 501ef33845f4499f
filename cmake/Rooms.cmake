# SPDX-License-Identifier: Apache-2.0
# A room is a folder under src/ and a static library smmu_<room>. What it may include is written once,
# here as DEPENDS; tests/lint/rooms.py holds the #include lines against docs/architecture.md's table.

# The standard headers that nearly every file reads, compiled once for all rooms of the same options: `first` is the
# target that compiles them.
function(smmu_precompile target first)
  if(target STREQUAL first)
    target_precompile_headers(${target} PRIVATE "${PROJECT_SOURCE_DIR}/cmake/precompiled.hpp")
  else()
    target_precompile_headers(${target} REUSE_FROM ${first})
  endif()
endfunction()

# smmu_room(NAME [EXCEPTIONS] [DEPENDS room...] [LIBRARIES target...])
function(smmu_room name)
  cmake_parse_arguments(ROOM "EXCEPTIONS" "" "DEPENDS;LIBRARIES" ${ARGN})
  string(REPLACE "/" "_" target "smmu_${name}")
  file(GLOB sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/src/${name}/*.cpp")
  list(FILTER sources EXCLUDE REGEX "/main\\.cpp$")
  set(room_dependencies "")
  foreach(room IN LISTS ROOM_DEPENDS)
    string(REPLACE "/" "_" room_target "smmu_${room}")
    list(APPEND room_dependencies ${room_target})
  endforeach()
  if(sources)
    add_library(${target} STATIC ${sources})
    target_include_directories(${target} PUBLIC "${PROJECT_SOURCE_DIR}/src" "${PROJECT_SOURCE_DIR}/include")
    target_link_libraries(${target} PUBLIC ${room_dependencies} ${ROOM_LIBRARIES} smmu_options)
    if(NOT ROOM_EXCEPTIONS)
      target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-fno-exceptions>)
      smmu_precompile(${target} smmu_base)
    else()
      smmu_precompile(${target} smmu_report)
    endif()
  else()
    add_library(${target} INTERFACE)
    target_include_directories(${target} INTERFACE "${PROJECT_SOURCE_DIR}/src" "${PROJECT_SOURCE_DIR}/include")
    target_link_libraries(${target} INTERFACE ${room_dependencies} ${ROOM_LIBRARIES} smmu_options)
  endif()
endfunction()

# The headers of the test framework, compiled once for all test programs.
function(smmu_tests_precompiled)
  add_executable(tests_precompiled "${PROJECT_SOURCE_DIR}/cmake/tests_precompiled.cpp")
  target_link_libraries(tests_precompiled PRIVATE GTest::gtest GTest::gmock smmu_options fmt::fmt)
  target_precompile_headers(tests_precompiled PRIVATE "${PROJECT_SOURCE_DIR}/cmake/precompiled.hpp"
                            <gmock/gmock.h> <gtest/gtest.h>)
endfunction()

# smmu_tests(KIND room... ): every folder tests/KIND/<name>/ with *.cpp is one GoogleTest program KIND_<name>.
# A folder may hold `rooms` (a list of rooms it links, one a line); it is labelled KIND. KIND_tests builds all of them.
function(smmu_tests kind)
  file(GLOB folders CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/${kind}/*/rooms")
  foreach(rooms_file IN LISTS folders)
    get_filename_component(folder "${rooms_file}" DIRECTORY)
    get_filename_component(name "${folder}" NAME)
    file(GLOB sources CONFIGURE_DEPENDS "${folder}/*.cpp")
    file(STRINGS "${rooms_file}" rooms REGEX "^[^#]")
    set(target "${kind}_${name}")
    add_executable(${target} ${sources})
    target_include_directories(${target} PRIVATE "${PROJECT_SOURCE_DIR}/src" "${PROJECT_SOURCE_DIR}/include"
                               "${PROJECT_SOURCE_DIR}")
    foreach(room IN LISTS rooms)
      string(REPLACE "/" "_" room_target "smmu_${room}")
      target_link_libraries(${target} PRIVATE ${room_target})
    endforeach()
    target_link_libraries(${target} PRIVATE GTest::gtest GTest::gmock GTest::gtest_main smmu_options fmt::fmt)
    target_precompile_headers(${target} REUSE_FROM tests_precompiled)
    if(kind STREQUAL "board" OR kind STREQUAL "e2e")
      add_dependencies(${target} smmu-board)
    endif()
    if(kind STREQUAL "e2e")
      add_dependencies(${target} smmuman smmuctl smmuman-log smmu-model-vtd smmu-model-mmu500 smmu-model-rcar edu_driver guest_memory fd_driver kill_at)
    endif()
    if(kind STREQUAL "linux")
      add_dependencies(${target} linux_guest_programs)
    endif()
    target_compile_definitions(${target} PRIVATE SMMU_SOURCE_DIR="${PROJECT_SOURCE_DIR}"
                               SMMU_BINARY_DIR="${PROJECT_BINARY_DIR}")
    add_test(NAME ${target} COMMAND ${target})
    set_tests_properties(${target} PROPERTIES LABELS ${kind} TIMEOUT ${SMMU_TEST_SECONDS})
    # Each guest boots a kernel without acceleration, and ends at a deadline of its own.
    set(guest_seconds 3600)
    if(SMMU_TEST_SECONDS GREATER guest_seconds)
      set(guest_seconds ${SMMU_TEST_SECONDS})
    endif()
    if(kind STREQUAL "linux")
      set_tests_properties(${target} PROPERTIES TIMEOUT ${guest_seconds})
    endif()
    # What an arm64 guest runs is built for another processor first: cases for arm64, in whatever program, are a test of
    # their own.
    if(kind STREQUAL "linux" AND name MATCHES "^(machine|platform|restart|death)$")
      set_tests_properties(${target} PROPERTIES ENVIRONMENT "GTEST_FILTER=-*arm64*")
      # By a name of its own: results are counted by it.
      add_custom_command(TARGET ${target} POST_BUILD COMMAND ${CMAKE_COMMAND} -E create_symlink ${target} $<TARGET_FILE:${target}>_arm64)
      add_test(NAME ${target}_arm64 COMMAND $<TARGET_FILE:${target}>_arm64)
      set_tests_properties(${target}_arm64 PROPERTIES LABELS linux FIXTURES_REQUIRED arm64_programs TIMEOUT ${guest_seconds}
                           ENVIRONMENT "GTEST_FILTER=*arm64*")
    endif()
    list(APPEND programs ${target})
  endforeach()
  add_custom_target(${kind}_tests DEPENDS ${programs})
endfunction()
