# SPDX-License-Identifier: Apache-2.0
# Programs that the tests of the kind linux run inside their guests.
add_executable(host_edu EXCLUDE_FROM_ALL tests/linux/host_edu.cpp)
target_include_directories(host_edu PRIVATE "${PROJECT_SOURCE_DIR}/include")
target_link_libraries(host_edu PRIVATE libsmmu_static smmu_options)
if(TARGET linux_platform)
  add_dependencies(linux_platform smmuman smmuman-holder smmuctl host_edu)
endif()
