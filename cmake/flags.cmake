# redlock_flags: what everything of ours is compiled and linked with, and nothing that a user of the
# library inherits.  Warnings first, then sanitizers or hardening: the two don't mix, because the
# fortified functions of libc hide overflows from the sanitizers.

include(CheckCCompilerFlag)
include(CheckLinkerFlag OPTIONAL RESULT_VARIABLE has_check_linker_flag) # CMake 3.18 has it

add_library(redlock_flags INTERFACE)

target_compile_options(redlock_flags INTERFACE
    -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes
    -Wold-style-definition -Wswitch-enum -Wformat=2 -Wvla -Wcast-qual -Wcast-align -Wwrite-strings
    -Wundef -Wpointer-arith -Wimplicit-fallthrough -Wdouble-promotion)
# Where long has 32 bits: without them a folder or a file with a large inode cannot be read, and the
# wall clock ends in 2038.  Nothing changes elsewhere.
target_compile_definitions(redlock_flags INTERFACE _FILE_OFFSET_BITS=64 _TIME_BITS=64)
if(REDLOCK_WERROR)
    target_compile_options(redlock_flags INTERFACE -Werror)
endif()

# Adds each compiler flag that this compiler knows.
function(redlock_add_flags)
    foreach(flag ${ARGN})
        string(MAKE_C_IDENTIFIER "HAS${flag}" known)
        check_c_compiler_flag(${flag} ${known})
        if(${known})
            target_compile_options(redlock_flags INTERFACE ${flag})
        endif()
    endforeach()
endfunction()

# Adds each linker flag that this linker knows.
function(redlock_add_link_flags)
    foreach(flag ${ARGN})
        string(MAKE_C_IDENTIFIER "HAS_LINK${flag}" known)
        check_linker_flag(C "LINKER:${flag}" ${known})
        if(${known})
            target_link_options(redlock_flags INTERFACE "LINKER:${flag}")
        endif()
    endforeach()
endfunction()

redlock_add_flags(-Wduplicated-cond -Wduplicated-branches -Wjump-misses-init
                  -Wcomma -Wunreachable-code-break -Wtrampolines -Wbidi-chars=any)
# What C forgave once and no longer does: errors in every build, as the OpenSSF's guide has it.
target_compile_options(redlock_flags INTERFACE -Werror=format-security)
redlock_add_flags(-Werror=implicit -Werror=incompatible-pointer-types -Werror=int-conversion)

if(REDLOCK_COVERAGE)
    # Counters are added atomically, because threads share them; what an abort would lose is not missed.
    target_compile_options(redlock_flags INTERFACE --coverage -fprofile-update=atomic)
    # A forked child of a test ends by _exit, and asks for its counters to be kept (fork_test.c).
    target_link_options(redlock_flags INTERFACE --coverage LINKER:--undefined=__gcov_dump)
elseif(REDLOCK_SANITIZE)
    target_compile_options(redlock_flags INTERFACE
        -fsanitize=${REDLOCK_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
    target_link_options(redlock_flags INTERFACE -fsanitize=${REDLOCK_SANITIZE})
elseif(REDLOCK_HARDENING)
    # After the compiler hardening guide of the OpenSSF, tests/header/hardening_test.sh looks at what
    # comes of it.  Not taken: -z nodlopen, because bindings open the library so.  -fexceptions lets
    # a C++ caller's exception and a thread's cancellation pass through callbacks.
    redlock_add_flags(-fstack-protector-strong -fstack-clash-protection -fstrict-flex-arrays=3
                      -ftrivial-auto-var-init=zero -fzero-init-padding-bits=all
                      -fno-delete-null-pointer-checks -fno-strict-overflow -fno-strict-aliasing
                      -fexceptions)
    if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64|i.86")
        redlock_add_flags(-fcf-protection=full)
    elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
        redlock_add_flags(-mbranch-protection=standard)
    endif()
    # _FORTIFY_SOURCE needs optimisation; a distribution's own setting is replaced, not doubled.
    target_compile_options(redlock_flags INTERFACE
        $<$<NOT:$<CONFIG:Debug>>:-U_FORTIFY_SOURCE>
        $<$<NOT:$<CONFIG:Debug>>:-D_FORTIFY_SOURCE=3>)
    if(has_check_linker_flag)
        redlock_add_link_flags(-z,relro -z,now -z,noexecstack -z,separate-code --as-needed
                               --no-copy-dt-needed-entries)
    endif()
endif()
