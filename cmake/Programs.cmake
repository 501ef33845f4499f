# SPDX-License-Identifier: Apache-2.0
# The programs and the client library, each from the room of its name.
function(smmu_program name room)
  if(EXISTS "${PROJECT_SOURCE_DIR}/src/${room}/main.cpp")
    add_executable(${name} "src/${room}/main.cpp")
    target_link_libraries(${name} PRIVATE smmu_${room})
    install(TARGETS ${name} RUNTIME DESTINATION ${CMAKE_INSTALL_SBINDIR})
  endif()
endfunction()

smmu_program(smmuman daemon)
smmu_program(smmuctl cli)
smmu_program(smmu-board board)

install(DIRECTORY "${PROJECT_SOURCE_DIR}/boards/qemu/" DESTINATION ${CMAKE_INSTALL_DATADIR}/smmuman/boards
        FILES_MATCHING PATTERN "*.json")
