# How the library's parts become targets.

find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(XXHASH REQUIRED IMPORTED_TARGET libxxhash)
pkg_check_modules(LZ4 REQUIRED IMPORTED_TARGET liblz4)
pkg_check_modules(ZSTD REQUIRED IMPORTED_TARGET libzstd)
pkg_check_modules(CURL REQUIRED IMPORTED_TARGET libcurl>=7.87)
pkg_check_modules(CRYPTO REQUIRED IMPORTED_TARGET libcrypto>=3)

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
# For the sanitizers: optimized, with assertions.
set(CMAKE_CXX_FLAGS_CHECKED "-O1 -g1")

# What every target of ours is compiled with.
add_library(ingot_flags INTERFACE)
target_compile_features(ingot_flags INTERFACE cxx_std_20)
target_compile_options(ingot_flags INTERFACE -Wall -Wextra -Wpedantic -Werror -Wshadow -Wconversion
  -Wno-sign-conversion -Wnon-virtual-dtor -Woverloaded-virtual -fno-omit-frame-pointer
  # gcc 12 sees overlaps in std::string's operator+ that are not there (its bug 105651).
  $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>)
# ThreadSanitizer does not see fences; what they order between threads of one process is ordered by locks and atomics too.
if(INGOT_SANITIZE MATCHES "thread" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  target_compile_options(ingot_flags INTERFACE -Wno-tsan)
endif()
if(INGOT_SANITIZE)
  target_compile_options(ingot_flags INTERFACE -fsanitize=${INGOT_SANITIZE} -fno-sanitize-recover=all)
  target_link_options(ingot_flags INTERFACE -fsanitize=${INGOT_SANITIZE})
endif()
if(INGOT_FUZZ)
  target_compile_options(ingot_flags INTERFACE -fsanitize=fuzzer-no-link)
  target_link_options(ingot_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
if(INGOT_COVERAGE)
  target_compile_options(ingot_flags INTERFACE --coverage)
  target_link_options(ingot_flags INTERFACE --coverage)
endif()

# ingot_component(name DEPENDS other…): src/<name>/*.cc as ingot_<name> and ingot_<name>_testing. For the sanitizers
# (INGOT_ONE_VARIANT) the testing variant serves as both.
function(ingot_component name)
  cmake_parse_arguments(ARG "" "" "DEPENDS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/${name}/*.cc)
  foreach(variant "" "_testing")
    if(variant STREQUAL "_testing" AND NOT INGOT_TESTS)
      continue()
    endif()
    if(variant STREQUAL "" AND INGOT_ONE_VARIANT)
      continue()
    endif()
    set(target ingot_${name}${variant})
    add_library(${target} OBJECT ${sources})
    set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE ON)
    target_include_directories(${target} PUBLIC ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/include)
    target_link_libraries(${target} PUBLIC ingot_flags Threads::Threads
      PRIVATE PkgConfig::XXHASH PkgConfig::LZ4 PkgConfig::ZSTD PkgConfig::CURL PkgConfig::CRYPTO)
    if(variant STREQUAL "_testing")
      target_compile_definitions(${target} PUBLIC INGOT_TESTING=1)
    endif()
  endforeach()
  set_property(GLOBAL APPEND PROPERTY INGOT_COMPONENTS ${name})
endfunction()

# ingot_testing_parts(target component…): links the testing variant of those components and their libraries.
function(ingot_testing_parts target)
  foreach(name ${ARGN})
    target_link_libraries(${target} PRIVATE ingot_${name}_testing)
  endforeach()
  target_link_libraries(${target} PRIVATE PkgConfig::XXHASH PkgConfig::LZ4 PkgConfig::ZSTD PkgConfig::CURL PkgConfig::CRYPTO
    Threads::Threads)
endfunction()

# The shipped library: every component in one archive, with its CMake package and pkg-config file.
function(ingot_library)
  get_property(components GLOBAL PROPERTY INGOT_COMPONENTS)
  add_library(ingot)
  add_library(ingot::ingot ALIAS ingot)
  set(variant "")
  if(INGOT_ONE_VARIANT)
    set(variant "_testing")
  endif()
  foreach(name ${components})
    target_sources(ingot PRIVATE $<TARGET_OBJECTS:ingot_${name}${variant}>)
  endforeach()
  set_target_properties(ingot PROPERTIES LINKER_LANGUAGE CXX VERSION ${PROJECT_VERSION} SOVERSION 0)
  target_compile_features(ingot PUBLIC cxx_std_20)
  target_include_directories(ingot PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:include>)
  target_link_libraries(ingot PRIVATE $<BUILD_INTERFACE:ingot_flags> PUBLIC Threads::Threads
    PRIVATE $<BUILD_INTERFACE:PkgConfig::XXHASH> $<BUILD_INTERFACE:PkgConfig::LZ4> $<BUILD_INTERFACE:PkgConfig::ZSTD>
    $<BUILD_INTERFACE:PkgConfig::CURL> $<BUILD_INTERFACE:PkgConfig::CRYPTO>
    $<INSTALL_INTERFACE:xxhash> $<INSTALL_INTERFACE:lz4> $<INSTALL_INTERFACE:zstd>
    $<INSTALL_INTERFACE:curl> $<INSTALL_INTERFACE:crypto>)
  if(INGOT_SANITIZE OR INGOT_COVERAGE)
    target_link_libraries(ingot PUBLIC $<BUILD_INTERFACE:ingot_flags>)
  endif()
endfunction()
