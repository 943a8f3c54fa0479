# Each tests/fuzz/X_fuzz.c becomes the libFuzzer program bin/fuzz_X.  Clang only; the sanitizers come
# from REDLOCK_SANITIZE, and the coverage that guides the fuzzer goes into the library too.

if(NOT CMAKE_C_COMPILER_ID MATCHES "Clang")
    message(FATAL_ERROR "REDLOCK_FUZZ needs clang, and the compiler is ${CMAKE_C_COMPILER_ID}")
endif()
target_compile_options(redlock_flags INTERFACE -fsanitize=fuzzer-no-link)

file(GLOB fuzz_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/fuzz/*_fuzz.c)
foreach(source ${fuzz_sources})
    get_filename_component(name ${source} NAME_WE)
    string(REGEX REPLACE "_fuzz$" "" name ${name})
    add_executable(fuzz_${name} EXCLUDE_FROM_ALL ${source})
    # libFuzzer's entry point has no prototype anywhere.  (A source's options come after a target's.)
    set_source_files_properties(${source} PROPERTIES COMPILE_OPTIONS -Wno-missing-prototypes)
    target_include_directories(fuzz_${name} PRIVATE
        ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/tests/support)
    target_link_libraries(fuzz_${name} PRIVATE redlock_flags redlock_static)
    target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
endforeach()
