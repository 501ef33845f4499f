# SPDX-License-Identifier: Apache-2.0
# libsmmu for programs outside this tree: the shared library with exactly the names of libsmmu.map,
# the static library, headers, pkg-config and CMake package. C programs need no C++ run-time
# library.
include(CMakePackageConfigHelpers)

set(libsmmu_objects $<TARGET_OBJECTS:smmu_client> $<TARGET_OBJECTS:smmu_protocol>)
set(libsmmu_map "${PROJECT_SOURCE_DIR}/src/client/libsmmu.map")

add_library(libsmmu_shared SHARED ${libsmmu_objects})
# From base only what is needed comes in; of the libraries that base names for others, none.
target_link_libraries(libsmmu_shared PRIVATE smmu_options $<TARGET_FILE:smmu_base>)
add_dependencies(libsmmu_shared smmu_base)
target_link_options(libsmmu_shared PRIVATE "-Wl,--version-script=${libsmmu_map}" -Wl,--as-needed
                    -Wl,--exclude-libs,ALL -static-libgcc -static-libstdc++
                    -Wl,-z,nodelete)  # a thread that waits for a notification may be in it
if(NOT SMMU_SANITIZE)
  target_link_options(libsmmu_shared PRIVATE -Wl,-z,defs -Wl,-z,relro,-z,now)
endif()
set_target_properties(libsmmu_shared PROPERTIES OUTPUT_NAME smmu VERSION ${PROJECT_VERSION}
                      SOVERSION 0 LINKER_LANGUAGE CXX LINK_DEPENDS "${libsmmu_map}" EXPORT_NAME smmu)

add_library(libsmmu_static STATIC ${libsmmu_objects} $<TARGET_OBJECTS:smmu_base>)
set_target_properties(libsmmu_static PROPERTIES OUTPUT_NAME smmu LINKER_LANGUAGE CXX
                      EXPORT_NAME smmu_static)

foreach(library libsmmu_shared libsmmu_static)
  target_include_directories(${library} INTERFACE
                             $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
                             $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
endforeach()

add_dependencies(installed libsmmu_shared libsmmu_static)
install(TARGETS libsmmu_shared libsmmu_static EXPORT smmu
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(FILES include/smmu.h include/smmu_ext.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})

# find_package(smmu): smmu::smmu and smmu::smmu_static.
set(smmu_package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/smmu)
install(EXPORT smmu NAMESPACE smmu:: FILE smmu-config.cmake DESTINATION ${smmu_package_folder})
write_basic_package_version_file("${PROJECT_BINARY_DIR}/smmu-config-version.cmake"
                                 COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/smmu-config-version.cmake" DESTINATION ${smmu_package_folder})

configure_file(cmake/smmu.pc.in "${PROJECT_BINARY_DIR}/smmu.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/smmu.pc" DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
