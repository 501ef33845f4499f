# SPDX-License-Identifier: Apache-2.0
# Tests that are not GoogleTest programs: lints, each with a test that it can find something; fuzz targets.
find_package(Python3 COMPONENTS Interpreter)
if(Python3_FOUND)
  foreach(lint rooms source_rules scripts_and_manuals setup_source closing_line library_manuals units)
    add_test(NAME lint_${lint} COMMAND ${Python3_EXECUTABLE} -B "${PROJECT_SOURCE_DIR}/tests/lint/${lint}.py")
    add_test(NAME lint_${lint}_finds COMMAND ${Python3_EXECUTABLE} -B "${PROJECT_SOURCE_DIR}/tests/lint/${lint}.py" --self-test)
    set_tests_properties(lint_${lint} lint_${lint}_finds PROPERTIES LABELS lint TIMEOUT 300)
  endforeach()
endif()

# The public headers in every language, and what the libraries export and need.
set(headers "${PROJECT_SOURCE_DIR}/tests/headers")
add_test(NAME lint_header_matrix COMMAND "${headers}/matrix.sh" "${PROJECT_SOURCE_DIR}/include")
set_tests_properties(lint_header_matrix PROPERTIES LABELS lint TIMEOUT 300)
if(TARGET libsmmu_shared)
  set(link_flags "")
  if(SMMU_SANITIZE)
    set(link_flags -fsanitize=${SMMU_SANITIZE})
  endif()
  add_test(NAME lint_library_symbols COMMAND "${headers}/symbols.sh" $<TARGET_FILE:libsmmu_shared>
           "${PROJECT_SOURCE_DIR}/src/client/libsmmu.map" "${PROJECT_SOURCE_DIR}/include")
  add_test(NAME lint_library_linking COMMAND "${headers}/link.sh" $<TARGET_FILE:libsmmu_static>
           $<TARGET_FILE:libsmmu_shared> "${PROJECT_SOURCE_DIR}/include" ${link_flags})
  # What is installed, and that programs outside the tree build with it.
  add_test(NAME e2e_install COMMAND "${PROJECT_SOURCE_DIR}/tests/install/install.sh" "${PROJECT_SOURCE_DIR}"
           "${PROJECT_BINARY_DIR}" ${link_flags})
  set_tests_properties(e2e_install PROPERTIES LABELS e2e TIMEOUT 120 ENVIRONMENT CC=${CMAKE_C_COMPILER})
  # The units under a real systemd in namespaces of its own; skipped where this user may not have that.
  add_test(NAME e2e_systemd COMMAND "${PROJECT_SOURCE_DIR}/tests/systemd/systemd.sh" "${PROJECT_SOURCE_DIR}" "${PROJECT_BINARY_DIR}")
  set_tests_properties(e2e_systemd PROPERTIES LABELS e2e TIMEOUT 400 SKIP_RETURN_CODE 77)
  set_tests_properties(lint_library_symbols lint_library_linking PROPERTIES LABELS lint TIMEOUT 300
                       ENVIRONMENT CC=${CMAKE_C_COMPILER})
endif()

# The longest first: two processors have something to do until the end.
set_tests_properties(e2e_step_probe PROPERTIES COST 300)
set_tests_properties(e2e_dma PROPERTIES COST 200)

# The Debian packages have what is installed, and install without starting anything. A guest installs them, too.
if(TARGET linux_installed)
  add_test(NAME package_debian COMMAND "${PROJECT_SOURCE_DIR}/tests/packages/packages.sh" "${PROJECT_SOURCE_DIR}")
  set_tests_properties(package_debian PROPERTIES LABELS linux TIMEOUT 1800 FIXTURES_SETUP packages)
  set_tests_properties(linux_installed PROPERTIES FIXTURES_REQUIRED packages)
endif()

# The demonstration is a test too, and so is that it fails when the hardware is open.
if(TARGET demo_story)
  # smmu_demo_test(NAME BOARD BREAK)
  function(smmu_demo_test name board break)
    set(boards "${PROJECT_SOURCE_DIR}/boards/qemu")
    if(board MATCHES "^model-")
      set(boards "${PROJECT_SOURCE_DIR}/boards/models")
    endif()
    add_test(NAME ${name} COMMAND demo_story ${board})
    set_tests_properties(${name} PROPERTIES LABELS e2e TIMEOUT 120 ENVIRONMENT "SMMU_BOARDS=${boards};BREAK=${break}")
    if(break)
      set_property(TEST ${name} PROPERTY PASS_REGULAR_EXPRESSION
                   "demo: FAILED: this does not hold: refused: the victim is intact")
    endif()
  endfunction()
  smmu_demo_test(e2e_demo q35-vtd "")
  smmu_demo_test(e2e_demo_with_open_hardware q35-vtd 1)
  foreach(board virt-smmuv3 model-mmu500 model-rcar-h3)
    smmu_demo_test(e2e_demo_${board} ${board} "")
    smmu_demo_test(e2e_demo_${board}_with_open_hardware ${board} 1)
  endforeach()
  foreach(board q35-vtd-scalable q35-vtd-first-stage virt-smmuv3-s1 virt-smmuv3-gicv2)
    smmu_demo_test(e2e_demo_${board} ${board} "")
  endforeach()
endif()

# What arm64 guests run is built in a tree of its own, when a test needs it.
add_test(NAME linux_arm64_programs COMMAND "${PROJECT_SOURCE_DIR}/tests/guest/build_arm64.sh")
set_tests_properties(linux_arm64_programs PROPERTIES LABELS linux TIMEOUT 3600 FIXTURES_SETUP arm64_programs)

# A folder tests/fuzz/NAME/ with *.cpp and `rooms` is the libFuzzer program fuzz_NAME; its corpus may lie beside.
if(SMMU_FUZZ)
  target_compile_options(smmu_options INTERFACE -fsanitize=fuzzer-no-link)
  add_custom_target(fuzz_targets)
  file(GLOB folders CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/fuzz/*/rooms")
  foreach(rooms_file IN LISTS folders)
    get_filename_component(folder "${rooms_file}" DIRECTORY)
    get_filename_component(name "${folder}" NAME)
    file(GLOB sources CONFIGURE_DEPENDS "${folder}/*.cpp")
    file(STRINGS "${rooms_file}" rooms REGEX "^[^#]")
    add_executable(fuzz_${name} ${sources})
    target_include_directories(fuzz_${name} PRIVATE "${PROJECT_SOURCE_DIR}/src" "${PROJECT_SOURCE_DIR}/include"
                               "${PROJECT_SOURCE_DIR}")
    foreach(room IN LISTS rooms)
      string(REPLACE "/" "_" room_target "smmu_${room}")
      target_link_libraries(fuzz_${name} PRIVATE ${room_target})
    endforeach()
    target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
    target_link_libraries(fuzz_${name} PRIVATE smmu_options)
    add_dependencies(fuzz_targets fuzz_${name})
  endforeach()
endif()
