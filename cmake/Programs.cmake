# SPDX-License-Identifier: Apache-2.0
# The programs, each from the room of its name; the target `installed` builds all that is installed.
add_custom_target(installed)
function(smmu_program name room folder)
  add_executable(${name} "src/${room}/main.cpp")
  target_link_libraries(${name} PRIVATE smmu_${room})
  target_link_options(${name} PRIVATE -Wl,--as-needed)  # rooms name libraries for all who use them
  add_dependencies(installed ${name})
  install(TARGETS ${name} RUNTIME DESTINATION ${folder})
endfunction()

smmu_program(smmuman daemon ${CMAKE_INSTALL_SBINDIR})
smmu_program(smmuman-holder holder ${CMAKE_INSTALL_SBINDIR})
smmu_program(smmuctl cli ${CMAKE_INSTALL_BINDIR})
smmu_program(smmu-board board ${CMAKE_INSTALL_BINDIR})
smmu_program(smmuman-log journal ${CMAKE_INSTALL_BINDIR})

install(DIRECTORY "${PROJECT_SOURCE_DIR}/boards/qemu/" DESTINATION ${CMAKE_INSTALL_DATADIR}/smmuman/boards
        FILES_MATCHING PATTERN "*.json")
# Descriptions of real boards, to begin a configuration with.
file(GLOB board_files CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/boards/*.smmu")
install(FILES ${board_files} DESTINATION ${CMAKE_INSTALL_DATADIR}/smmuman/boards)
# Manual pages by their sections.
foreach(section 1 3 5 8)
  file(GLOB pages CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/man/*.${section}")
  install(FILES ${pages} DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section})
endforeach()

# What a reader of the installed system looks for.
file(GLOB documents CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/docs/*.md")
install(FILES ${documents} "${PROJECT_SOURCE_DIR}/README.md" "${PROJECT_SOURCE_DIR}/SECURITY.md"
              "${PROJECT_SOURCE_DIR}/LICENSE" DESTINATION ${CMAKE_INSTALL_DOCDIR})
file(GLOB examples CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/examples/*")
install(FILES ${examples} DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples)

# Completion, where there is some: each file by the name that its shell looks for.
file(GLOB bash_completion CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/completion/*.bash")
foreach(file IN LISTS bash_completion)
  get_filename_component(name "${file}" NAME_WE)
  install(FILES "${file}" DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME ${name})
endforeach()
file(GLOB zsh_completion CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/completion/_*")
install(FILES ${zsh_completion} DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)
file(GLOB fish_completion CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/completion/*.fish")
install(FILES ${fish_completion} DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
