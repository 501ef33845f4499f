# SPDX-License-Identifier: Apache-2.0
# Programs of the tests' own that run inside a guest.
add_executable(guest_probe EXCLUDE_FROM_ALL tests/guest/probe.cpp)
target_link_libraries(guest_probe PRIVATE smmu_options)
