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
install(FILES "${PROJECT_SOURCE_DIR}/man/smmuman.8" DESTINATION ${CMAKE_INSTALL_MANDIR}/man8)
install(FILES "${PROJECT_SOURCE_DIR}/man/smmuctl.1" "${PROJECT_SOURCE_DIR}/man/smmu-board.1"
        DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES "${PROJECT_SOURCE_DIR}/man/libsmmu.3" DESTINATION ${CMAKE_INSTALL_MANDIR}/man3)
