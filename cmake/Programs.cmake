# SPDX-License-Identifier: Apache-2.0
# The programs and the client library, each from the room of its name.
function(smmu_program name room folder)
  add_executable(${name} "src/${room}/main.cpp")
  target_link_libraries(${name} PRIVATE smmu_${room})
  install(TARGETS ${name} RUNTIME DESTINATION ${folder})
endfunction()

smmu_program(smmuman daemon ${CMAKE_INSTALL_SBINDIR})
smmu_program(smmuctl cli ${CMAKE_INSTALL_BINDIR})
smmu_program(smmu-board board ${CMAKE_INSTALL_BINDIR})

install(DIRECTORY "${PROJECT_SOURCE_DIR}/boards/qemu/" DESTINATION ${CMAKE_INSTALL_DATADIR}/smmuman/boards
        FILES_MATCHING PATTERN "*.json")
# Manual pages by their sections.
foreach(section 1 3 5 8)
  file(GLOB pages CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/man/*.${section}")
  install(FILES ${pages} DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section})
endforeach()
