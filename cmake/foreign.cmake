# The toolchain of ./dev test --arch: a cross compiler of Debian's, libraries that tools/foreign has
# unpacked, and an emulator to run what comes out.  REDLOCK_ARCH is Debian's name of the architecture,
# or musl: this machine's own with another libc, linked statically.

list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES REDLOCK_ARCH)
set(CMAKE_SYSTEM_NAME Linux)
get_filename_component(foreign_root ${CMAKE_CURRENT_LIST_DIR}/../build/foreign/${REDLOCK_ARCH} ABSOLUTE)

if(REDLOCK_ARCH STREQUAL "s390x")
    set(CMAKE_SYSTEM_PROCESSOR s390x)
    set(foreign_compiler s390x-linux-gnu)
elseif(REDLOCK_ARCH STREQUAL "armhf")
    set(CMAKE_SYSTEM_PROCESSOR arm)
    set(foreign_compiler arm-linux-gnueabihf)
elseif(REDLOCK_ARCH STREQUAL "i386")
    set(CMAKE_SYSTEM_PROCESSOR i686)
    set(foreign_compiler i686-linux-gnu)
    set(foreign_multiarch i386-linux-gnu)
elseif(REDLOCK_ARCH STREQUAL "musl")
    set(CMAKE_SYSTEM_PROCESSOR ${CMAKE_HOST_SYSTEM_PROCESSOR})
else()
    message(FATAL_ERROR "REDLOCK_ARCH is s390x, armhf, i386 or musl")
endif()

if(REDLOCK_ARCH STREQUAL "musl")
    set(CMAKE_C_COMPILER musl-gcc)
    set(CMAKE_EXE_LINKER_FLAGS_INIT -static)
    set(LUA_MATH_LIBRARY m CACHE STRING "Mathematics, inside of musl itself")
    set(CMAKE_C_FLAGS_INIT "-isystem ${foreign_root}/usr/include")
    set(CMAKE_FIND_ROOT_PATH ${foreign_root})
else()
    if(NOT foreign_multiarch)
        set(foreign_multiarch ${foreign_compiler})
    endif()
    set(CMAKE_C_COMPILER ${foreign_compiler}-gcc)
    set(CMAKE_C_FLAGS_INIT
        "-isystem ${foreign_root}/usr/include -isystem ${foreign_root}/usr/include/${foreign_multiarch}")
    set(CMAKE_FIND_ROOT_PATH ${foreign_root} /usr/${foreign_compiler})
    set(CMAKE_LIBRARY_PATH /usr/lib/${foreign_multiarch})
    if(NOT REDLOCK_ARCH STREQUAL "i386") # that one this processor runs by itself
        set(foreign_processor ${CMAKE_SYSTEM_PROCESSOR})
        set(CMAKE_CROSSCOMPILING_EMULATOR qemu-${foreign_processor}-static -L /usr/${foreign_compiler})
    endif()
endif()

set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
