# Each tests/fuzz/X_fuzz.c becomes the program bin/fuzz_X: with REDLOCK_FUZZ one of libFuzzer (clang
# only; the sanitizers come from REDLOCK_SANITIZE, and the coverage that guides the fuzzer goes into
# the library too), else one that plays the inputs which are kept in tests/fuzz/corpus/X.

if(REDLOCK_FUZZ)
    if(NOT CMAKE_C_COMPILER_ID MATCHES "Clang")
        message(FATAL_ERROR "REDLOCK_FUZZ needs clang, and the compiler is ${CMAKE_C_COMPILER_ID}")
    endif()
    target_compile_options(redlock_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()

find_library(hiredis_library hiredis)
set(fuzz_dir ${PROJECT_SOURCE_DIR}/tests/fuzz)

# The command without its main, for the targets that play its words and files.
set(fuzz_cli_sources ${cli_sources})
list(FILTER fuzz_cli_sources EXCLUDE REGEX "/main\\.c$")
add_library(fuzz_cli OBJECT EXCLUDE_FROM_ALL ${fuzz_cli_sources})
target_include_directories(fuzz_cli PRIVATE ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/include)
target_compile_definitions(fuzz_cli PRIVATE _GNU_SOURCE)
target_link_libraries(fuzz_cli PRIVATE redlock_flags)

set(fuzz_wraps_command write redlock_client_create redlock_local_resolve)
set(fuzz_wraps_config write)

file(GLOB fuzz_sources CONFIGURE_DEPENDS ${fuzz_dir}/*_fuzz.c)
foreach(source ${fuzz_sources})
    get_filename_component(name ${source} NAME_WE)
    string(REGEX REPLACE "_fuzz$" "" name ${name})
    add_executable(fuzz_${name} EXCLUDE_FROM_ALL ${source})
    target_include_directories(fuzz_${name} PRIVATE
        ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/tests/support ${fuzz_dir})
    target_compile_definitions(fuzz_${name} PRIVATE _GNU_SOURCE)
    target_link_libraries(fuzz_${name} PRIVATE redlock_flags redlock_static)
    if(name STREQUAL "hiredis")
        target_link_libraries(fuzz_${name} PRIVATE ${hiredis_library})
    endif()
    if(name MATCHES "^(command|config)$")
        target_sources(fuzz_${name} PRIVATE $<TARGET_OBJECTS:fuzz_cli>)
    endif()
    foreach(wrapped ${fuzz_wraps_${name}})
        target_link_options(fuzz_${name} PRIVATE "LINKER:--wrap=${wrapped}")
    endforeach()
    if(REDLOCK_FUZZ)
        target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
    else()
        target_sources(fuzz_${name} PRIVATE ${fuzz_dir}/replay.c)
        set_target_properties(fuzz_${name} PROPERTIES EXCLUDE_FROM_ALL OFF)
    endif()
endforeach()
