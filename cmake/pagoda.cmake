# Flags of every target of ours. Optimization and debug come from the build type (CMakePresets.json).
add_library(pagoda_flags INTERFACE)
target_compile_options(pagoda_flags INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion
                       -Wno-sign-conversion)
if(PAGODA_WERROR)
  target_compile_options(pagoda_flags INTERFACE -Werror)
endif()
if(PAGODA_SANITIZE)
  target_compile_options(pagoda_flags INTERFACE -fsanitize=${PAGODA_SANITIZE}
                         -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(pagoda_flags INTERFACE -fsanitize=${PAGODA_SANITIZE})
endif()

# pagoda_library(engine DEPS models grammar SOURCES a.cc b.cc [LINK_PRIVATE lib ...]): the target of
# one folder, linked with the folders it needs. Every file can include every header of src/: which it
# may is the business of layers.txt and tools/check_layers.py.
function(pagoda_library name)
  cmake_parse_arguments(ARG "" "" "DEPS;SOURCES;LINK_PRIVATE;LINK" ${ARGN})
  add_library(pagoda_${name} STATIC ${ARG_SOURCES})
  target_include_directories(pagoda_${name} PUBLIC ${PROJECT_SOURCE_DIR}/src)
  target_link_libraries(pagoda_${name} PUBLIC ${ARG_LINK} Threads::Threads PRIVATE pagoda_flags ${ARG_LINK_PRIVATE})
  foreach(dep IN LISTS ARG_DEPS)
    target_link_libraries(pagoda_${name} PUBLIC pagoda_${dep})
  endforeach()
endfunction()

# Where tests find data that is not in the repository. The folder may be missing.
set(PAGODA_SHARED ${PROJECT_SOURCE_DIR}/../shared CACHE PATH "Data that is not in the repository")

# main() of every test, compiled once: plain, and for tests of shared data.
add_library(pagoda_test_main STATIC ${PROJECT_SOURCE_DIR}/src/base/test_main.cc)
target_link_libraries(pagoda_test_main PRIVATE pagoda_flags PUBLIC doctest::doctest)
add_library(pagoda_shared_test_main STATIC ${PROJECT_SOURCE_DIR}/src/base/shared_test_main.cc)
target_link_libraries(pagoda_shared_test_main PRIVATE pagoda_flags PUBLIC doctest::doctest)
target_compile_definitions(pagoda_shared_test_main PRIVATE PAGODA_SHARED_DIR="${PAGODA_SHARED}")

# pagoda_test(block_pool_test engine [SHARED] [SOURCE path] [LINK lib ...]): builds
# block_pool_test.cc of this folder, or SOURCE.cc, and hands it to ctest as engine/block_pool_test,
# label engine. A test of a room is named with it: tokenizer/bpe_test is target bpe_test and ctest's
# text/tokenizer/bpe_test. A SHARED test reads PAGODA_SHARED_DIR; where that is missing it is
# skipped, or fails if PAGODA_REQUIRE_SHARED=1.
function(pagoda_test path folder)
  cmake_parse_arguments(ARG "SHARED" "SOURCE" "LINK" ${ARGN})
  get_filename_component(name ${path} NAME)
  if(NOT ARG_SOURCE)
    set(ARG_SOURCE ${path})
  endif()
  add_executable(${name} ${ARG_SOURCE}.cc)
  set(main pagoda_test_main)
  if(ARG_SHARED)
    set(main pagoda_shared_test_main)
  endif()
  target_link_libraries(${name} PRIVATE pagoda_${folder} pagoda_flags ${main} ${ARG_LINK})
  target_compile_definitions(${name} PRIVATE PAGODA_SOURCE_DIR="${PROJECT_SOURCE_DIR}"
                             PAGODA_SHARED_DIR="${PAGODA_SHARED}")
  add_test(NAME ${folder}/${path} COMMAND ${name})
  set_tests_properties(${folder}/${path} PROPERTIES LABELS ${folder} SKIP_RETURN_CODE 77
                       TIMEOUT ${PAGODA_TEST_TIMEOUT})
endfunction()

# pagoda_backend(cuda SOURCES ...): a backend's target and its row in the list of backends.
function(pagoda_backend name)
  pagoda_library(backend_${name} ${ARGN} DEPS tensor)
  set_property(GLOBAL APPEND PROPERTY PAGODA_BACKEND_LIST ${name})
endfunction()
