# cmake --install: the headers, the library, and how other projects find it (find_package(ingot), pkg-config).
include(CMakePackageConfigHelpers)

install(TARGETS ingot EXPORT ingotTargets
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY include/ingot DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
install(EXPORT ingotTargets NAMESPACE ingot:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/ingot)
configure_package_config_file(cmake/ingotConfig.cmake.in ${CMAKE_CURRENT_BINARY_DIR}/ingotConfig.cmake
  INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/ingot)
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/ingotConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/ingotConfig.cmake ${CMAKE_CURRENT_BINARY_DIR}/ingotConfigVersion.cmake
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/ingot)

# An archive's own libraries are the linker's business of whoever uses it. libcurl and libcrypto are named as libraries, not
# as packages: `pkg-config --static` would want the archives of all that a shared libcurl is made of.
if(BUILD_SHARED_LIBS)
  set(INGOT_PC_PRIVATE "Requires.private: libxxhash liblz4 libzstd")
else()
  set(INGOT_PC_LIBRARIES " -lcurl -lcrypto")
  set(INGOT_PC_PRIVATE "Requires: libxxhash liblz4 libzstd\nLibs.private: -pthread")
endif()
configure_file(cmake/ingot.pc.in ${CMAKE_CURRENT_BINARY_DIR}/ingot.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/ingot.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
