/* SPDX-License-Identifier: Apache-2.0 */
/* QEMU's `edu` device: an engine that copies between memory and 4 KiB of its own. It never says
 * that a copy was refused: a refused read brings zeros, a refused write changes nothing. */
#ifndef EXAMPLES_EDU_H
#define EXAMPLES_EDU_H

#include <errno.h>
#include <time.h>

#include "machine.h"

enum {
    edu_source = 0x80,
    edu_destination = 0x88,
    edu_count = 0x90,
    edu_command = 0x98,
    edu_busy = 1,         /* in edu_command: start, and not done yet */
    edu_from_device = 2,  /* in edu_command: the device writes memory */
    edu_memory = 0x40000, /* where the device's own 4 KiB are for its engine */
    edu_patience_ms = 2000
};

/* Whether a function is such a device: its first register says so. */
static inline bool machine_is_edu(struct machine* machine, const struct machine_device* device) {
    return (machine_read32(machine, device->registers) & 0xffff) == 0x00ed;
}

/* Carries out one copy. -1 with ETIMEDOUT when the device does not get it done. */
static inline int edu_copy(struct machine* machine, const struct machine_device* edu, uint64_t from,
                           uint64_t to, uint64_t bytes, uint64_t command) {
    const struct timespec pause = {0, 100 * 1000};
    machine_write64(machine, edu->registers + edu_source, from);
    machine_write64(machine, edu->registers + edu_destination, to);
    machine_write64(machine, edu->registers + edu_count, bytes);
    machine_write64(machine, edu->registers + edu_command, command);
    for (int waited = 0; waited < edu_patience_ms * 10; ++waited) {
        if ((machine_read64(machine, edu->registers + edu_command) & edu_busy) == 0) return 0;
        nanosleep(&pause, NULL);
    }
    errno = ETIMEDOUT;
    return -1;
}

/* The device reads `bytes` (at most 4096) at `address`, as it sees memory. */
static inline int edu_read_memory(struct machine* machine, const struct machine_device* edu,
                                  uint64_t address, uint64_t bytes) {
    return edu_copy(machine, edu, address, edu_memory, bytes, edu_busy);
}

/* The device writes what it last read to `address`. */
static inline int edu_write_memory(struct machine* machine, const struct machine_device* edu,
                                   uint64_t address, uint64_t bytes) {
    return edu_copy(machine, edu, edu_memory, address, bytes, edu_busy | edu_from_device);
}

#endif
