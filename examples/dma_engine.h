/* SPDX-License-Identifier: Apache-2.0 */
/* The DMA engine of a board: it copies between memory and a memory of its own. A copy that was refused ends like any
 * other: a refused read brings zeros, a refused write changes nothing.
 *
 * There are two, told apart by their first register: QEMU's `edu`, which the model of an MMU-500 board has too, and the
 * bus master of the R-Car model (tests/models/rcar/model/master.hpp). */
#ifndef EXAMPLES_DMA_ENGINE_H
#define EXAMPLES_DMA_ENGINE_H

#include <errno.h>
#include <time.h>

#include "machine.h"

enum {
    edu_identity = 0x00ed, /* the lower half of the first register */
    edu_interrupt = 0x60, /* to raise one: a message, where that is set up */
    edu_source = 0x80,
    edu_destination = 0x88,
    edu_count = 0x90,
    edu_command = 0x98,
    edu_busy = 1,         /* in edu_command: start, and not done yet */
    edu_from_device = 2,  /* in edu_command: the device writes memory */
    edu_memory = 0x40000, /* where the device's own 4 KiB are for its engine */
    edu_patience_ms = 2000
};

enum {
    master_identity = 0x72616372,
    master_channel = 0x08,
    master_source = 0x10,
    master_destination = 0x18,
    master_count = 0x20,
    master_command = 0x24, /* over when the write to it is */
    master_read = 1,
    master_write = 2
};

static inline bool is_bus_master_of_rcar(struct machine* machine,
                                         const struct machine_device* device) {
    return machine_read32(machine, device->registers) == master_identity;
}

/* Whether a device is such an engine. */
static inline bool is_dma_engine(struct machine* machine, const struct machine_device* device) {
    return (machine_read32(machine, device->registers) & 0xffff) == edu_identity ||
           is_bus_master_of_rcar(machine, device);
}

/* The interrupt of an edu, without any reason. */
static inline void edu_raise_interrupt(struct machine* machine, const struct machine_device* edu) {
    machine_write32(machine, edu->registers + edu_interrupt, 1);
}

/* Carries out one copy. -1 with ETIMEDOUT when the device does not get it done. */
static inline int edu_copy(struct machine* machine, const struct machine_device* edu, uint64_t from,
                           uint64_t to, uint32_t bytes, uint64_t command) {
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

/* The same for the other engine: `place` is the register of the address. */
static inline int master_copy(struct machine* machine, const struct machine_device* master,
                              uint64_t place, uint64_t address, uint32_t bytes, uint32_t command) {
    machine_write32(machine, master->registers + master_channel, 0);
    machine_write64(machine, master->registers + place, address);
    machine_write32(machine, master->registers + master_count, bytes);
    machine_write32(machine, master->registers + master_command, command);
    return 0;
}

/* The device reads `bytes` (at most 2048) at `address`, as it sees memory. */
static inline int engine_read_memory(struct machine* machine, const struct machine_device* engine,
                                     uint64_t address, uint32_t bytes) {
    if (is_bus_master_of_rcar(machine, engine))
        return master_copy(machine, engine, master_source, address, bytes, master_read);
    return edu_copy(machine, engine, address, edu_memory, bytes, edu_busy);
}

/* The device writes what it last read to `address`. */
static inline int engine_write_memory(struct machine* machine, const struct machine_device* engine,
                                      uint64_t address, uint32_t bytes) {
    if (is_bus_master_of_rcar(machine, engine))
        return master_copy(machine, engine, master_destination, address, bytes, master_write);
    return edu_copy(machine, engine, edu_memory, address, bytes, edu_busy | edu_from_device);
}

#endif
