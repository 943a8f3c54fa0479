# Makes script.c out of src/script/*.lua:
#
#   cmake -DDIR=src/script -DOUT=build/script.c -P tools/embed-scripts.cmake
#
# Each script is its own file and what it needs of prelude.lua, without whole-line comments,
# indentation and empty lines: the bytes travel to every server on every connect.  A server makes
# every function of a script anew on every call, so each declaration stands right in front of the
# first statement that needs it: who returns early does not pay for what follows.  The text is
# written as numbers, one per byte, because a C string literal may be refused above 4,095 bytes and
# would need escaping.

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

# Reads the declarations of the prelude into DECLARATION_0 .. and NAMES_0 .. (a regular expression of
# the names that each declares).  A declaration begins with "local" in the first column and goes on
# to the next one; it can use only what stands above it.
function(read_declarations prelude)
    set(count 0)
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
        set(DECLARATION_${count} "${declaration}" PARENT_SCOPE)
        set(NAMES_${count} "${names}" PARENT_SCOPE)
        math(EXPR count "${count} + 1")
    endwhile()
    set(DECLARATION_COUNT ${count} PARENT_SCOPE) # the last of the prelude is number 0
endfunction()

# Takes the first statement off `text`: up to the next line that begins in the first column with
# something else than the end or the middle of a block.
function(take_statement text ret_statement ret_rest)
    set(statement "")
    while(NOT text STREQUAL "")
        string(FIND "${text}" "\n" at)
        math(EXPR next "${at} + 1")
        string(SUBSTRING "${text}" 0 ${next} line)
        string(SUBSTRING "${text}" ${next} -1 text)
        string(APPEND statement "${line}")
        if(NOT text MATCHES "^([ \t\n]|--|end|else|until|[)}])")
            break()
        endif()
    endwhile()
    set(${ret_statement} "${statement}" PARENT_SCOPE)
    set(${ret_rest} "${text}" PARENT_SCOPE)
endfunction()

# The body with each declaration that it needs in front of its first use.
function(weave body ret_text)
    set(text "")
    set(given "")
    while(NOT body STREQUAL "")
        take_statement("${body}" statement body)
        strip("${statement}" needed)
        set(number 0)
        while(number LESS DECLARATION_COUNT)
            if(NOT given MATCHES " ${number} " AND
               "\n${needed}" MATCHES "[^A-Za-z0-9_](${NAMES_${number}})[^A-Za-z0-9_]")
                set(needed "${DECLARATION_${number}}${needed}")
                string(APPEND given " ${number} ")
            endif()
            math(EXPR number "${number} + 1")
        endwhile()
        string(APPEND text "${needed}")
    endwhile()
    set(${ret_text} "${text}" PARENT_SCOPE)
endfunction()

read_checked("${DIR}/prelude.lua" prelude)
read_declarations("${prelude}")
set(arrays "")
set(table "")
while(SCRIPTS)
    list(POP_FRONT SCRIPTS name command)
    read_checked("${DIR}/${name}.lua" body)
    weave("${body}" text)
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
