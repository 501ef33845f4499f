# SPDX-License-Identifier: Apache-2.0
# What systemd needs to run the service, with the paths of this installation: units, users, directories, and what the
# journal says of refused accesses.
set(SMMU_UNIT_DIR "lib/systemd/system" CACHE STRING "where units are installed")

set(smmu_units smmuman smmuman-log)
if(TARGET smmuman-holder)
  list(APPEND smmu_units smmuman-holder)
endif()
foreach(unit IN LISTS smmu_units)
  configure_file("${PROJECT_SOURCE_DIR}/packaging/${unit}.service.in" "${PROJECT_BINARY_DIR}/${unit}.service" @ONLY)
  install(FILES "${PROJECT_BINARY_DIR}/${unit}.service" DESTINATION ${SMMU_UNIT_DIR})
endforeach()
install(FILES packaging/smmuman.catalog DESTINATION lib/systemd/catalog)
install(FILES packaging/sysusers.conf DESTINATION lib/sysusers.d RENAME smmuman.conf)
install(FILES packaging/tmpfiles.conf DESTINATION lib/tmpfiles.d RENAME smmuman.conf)
# The configuration is the administrator's to write: its place is there, and empty.
install(DIRECTORY DESTINATION ${CMAKE_INSTALL_FULL_SYSCONFDIR}/smmuman)
