# SPDX-License-Identifier: Apache-2.0
# Programs that the tests of the kind linux run inside their guests.
add_custom_target(linux_guest_programs)
foreach(program host_edu host_load host_vfio hostile kill_at)
  add_executable(${program} EXCLUDE_FROM_ALL tests/linux/${program}.cpp)
  target_include_directories(${program} PRIVATE "${PROJECT_SOURCE_DIR}")
  target_link_libraries(${program} PRIVATE smmu_options)
  add_dependencies(linux_guest_programs ${program})
endforeach()
target_link_libraries(host_edu PRIVATE libsmmu_static)
target_link_libraries(hostile PRIVATE libsmmu_static)
target_link_libraries(host_vfio PRIVATE libsmmu_static)
add_dependencies(linux_guest_programs guest_probe smmuman smmuman-holder smmuctl)
