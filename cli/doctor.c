#include "cli/commands.h"
int redlock_doctor_main(int argc, char **argv) {
    (void)argc;
    (void)argv;
    return 0;
}
