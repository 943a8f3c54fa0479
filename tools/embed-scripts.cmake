# Makes script.c out of src/script/*.lua:
#
#   cmake -DDIR=src/script -DOUT=build/script.c -P tools/embed-scripts.cmake
#
# Each script is what it needs of prelude.lua plus its own file, without whole-line comments,
# indentation and empty lines: the bytes travel to every server on every connect, and a server makes
# every function of the text anew on every call.  The text is written as numbers, one per byte,
# because a C string literal may be refused above 4,095 bytes and would need escaping.

cmake_minimum_required(VERSION 3.18)

if(NOT DIR OR NOT OUT)
    message(FATAL_ERROR "give -DDIR=<folder of the .lua files> and -DOUT=<the .c file to write>")
endif()

# name of the file, enumerator of the command that it carries out
set(SCRIPTS acquire GRANT raise RAISE renew RENEW release RELEASE look LOOK break BREAK
            probe PROBE declare DECLARE)

function(read_checked path ret_text)
    file(READ "${path}" text)
    string(HEX "${text}" hex)
    if(hex MATCHES "^(..)*([89a-f].|00|0d)")
        message(FATAL_ERROR "${path}: only plain ASCII with Unix line ends can be embedded")
    endif()
    if(text MATCHES "--\\[=*\\[")
        message(FATAL_ERROR "${path}: block comments are not understood here")
    endif()
    set(${ret_text} "${text}" PARENT_SCOPE)
endfunction()

function(strip text ret_text)
    # A line end in front lets one pattern serve every line, the first included.
    set(text "\n${text}")
    string(REGEX REPLACE "\n[ \t]+" "\n" text "${text}")
    string(REGEX REPLACE "\n--[^\n]*" "" text "${text}")
    string(REGEX REPLACE "\n\n+" "\n" text "${text}")
    string(REGEX REPLACE "^\n" "" text "${text}")
    set(${ret_text} "${text}" PARENT_SCOPE)
endfunction()

# Puts in front of `text` the declarations of `prelude` that it uses, and those which they use.  A
# declaration begins with "local" in the first column and goes on to the next one; it can use only
# what stands above it, so one pass from the last to the first finds all.
function(prepend_used prelude text ret_text)
    set(rest "${prelude}")
    while(TRUE)
        string(FIND "${rest}" "\nlocal " at REVERSE)
        if(at LESS 0)
            break()
        endif()
        string(SUBSTRING "${rest}" ${at} -1 declaration)
        string(SUBSTRING "${rest}" 0 ${at} rest)
        strip("${declaration}\n" declaration)
        string(REGEX REPLACE "^local (function )?([A-Za-z0-9_, ]+).*" "\\2" names "${declaration}")
        string(REGEX REPLACE "[, ]+" "|" names "${names}")
        string(REGEX REPLACE "[|]$" "" names "${names}")
        if("\n${text}" MATCHES "[^A-Za-z0-9_](${names})[^A-Za-z0-9_]")
            set(text "${declaration}${text}")
        endif()
    endwhile()
    set(${ret_text} "${text}" PARENT_SCOPE)
endfunction()

read_checked("${DIR}/prelude.lua" prelude)
set(arrays "")
set(table "")
while(SCRIPTS)
    list(POP_FRONT SCRIPTS name command)
    read_checked("${DIR}/${name}.lua" body)
    strip("${body}" body)
    prepend_used("${prelude}" "${body}" text)
    string(SHA1 sha1 "${text}")
    string(HEX "${text}" hex)
    string(LENGTH "${text}" text_len)
    string(REGEX REPLACE "(..)" "0x\\1," bytes "${hex}")
    # Twenty bytes of five characters each make a line.
    string(REGEX REPLACE "(0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,)"
                         "\\1\n    " bytes "${bytes}")
    string(APPEND arrays "static const char ${name}_text[] = { /* ${text_len} bytes */\n    ${bytes}0};\n\n")
    string(APPEND table "    [REDLOCK_COMMAND_${command}] = {.name = \"${name}\",\n"
                        "        .text = ${name}_text,\n"
                        "        .text_len = sizeof(${name}_text) - 1,\n"
                        "        .sha1 = \"${sha1}\"},\n")
endwhile()

set(source "/* script.c -- made by tools/embed-scripts.cmake from src/script; don't edit. */
#include \"script/script.h\"

#include \"base/assert.h\"

${arrays}static const redlock_script scripts[] = {
${table}};

const redlock_script *redlock_script_of(redlock_command_kind kind) {
    REDLOCK_ASSERT(kind >= REDLOCK_COMMAND_GRANT && kind <= REDLOCK_COMMAND_DECLARE);
    return &scripts[kind];
}
")
# An unchanged file is not written again, so that nothing is compiled again because of it.
if(EXISTS "${OUT}")
    file(READ "${OUT}" old)
endif()
if(NOT old STREQUAL source)
    file(WRITE "${OUT}" "${source}")
endif()
