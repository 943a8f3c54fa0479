# What `cmake --install` (or ./dev install) puts where: the command, both libraries, the headers,
# the manual pages, and what pkg-config and find_package(redlock) look for.

include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/redlock)

install(TARGETS redlock redlock_static EXPORT redlock-targets
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
    ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(TARGETS redlock_cli RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(FILES ${public_headers} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/redlock)
install(EXPORT redlock-targets NAMESPACE redlock:: DESTINATION ${package_dir})

configure_package_config_file(cmake/redlock-config.cmake.in
    ${PROJECT_BINARY_DIR}/generated/redlock-config.cmake INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/generated/redlock-config-version.cmake
    COMPATIBILITY SameMajorVersion)
install(FILES
    ${PROJECT_BINARY_DIR}/generated/redlock-config.cmake
    ${PROJECT_BINARY_DIR}/generated/redlock-config-version.cmake
    DESTINATION ${package_dir})

# The prefix in redlock.pc is found from the file's own place, so an installed tree can be moved;
# with absolute folders (a distribution may set them) there is nothing to be relative to.
if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}" OR IS_ABSOLUTE "${CMAKE_INSTALL_INCLUDEDIR}")
    set(pc_prefix ${CMAKE_INSTALL_PREFIX})
    set(pc_libdir ${CMAKE_INSTALL_FULL_LIBDIR})
    set(pc_includedir ${CMAKE_INSTALL_FULL_INCLUDEDIR})
else()
    string(REGEX REPLACE "[^/]+" ".." pc_up "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
    set(pc_prefix "\${pcfiledir}/${pc_up}")
    set(pc_libdir "\${prefix}/${CMAKE_INSTALL_LIBDIR}")
    set(pc_includedir "\${prefix}/${CMAKE_INSTALL_INCLUDEDIR}")
endif()
configure_file(cmake/redlock.pc.in ${PROJECT_BINARY_DIR}/generated/redlock.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/generated/redlock.pc
    DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

install(FILES completions/redlock.bash RENAME redlock
    DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
install(FILES completions/_redlock DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)
install(FILES completions/redlock.fish
    DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)

foreach(section 1 3 5 7)
    file(GLOB pages CONFIGURE_DEPENDS docs/man/*.${section})
    if(pages)
        install(FILES ${pages} DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section})
    endif()
endforeach()
# One page for both.
install(FILES docs/man/redlock-status.1 RENAME redlock-ls.1
    DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
