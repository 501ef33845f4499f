/* SPDX-License-Identifier: Apache-2.0 */
/* The machine as the examples see it: a PCI function's registers, and memory that devices can
 * reach.
 *
 * On real hardware a driver gets these from its operating system (VFIO or UIO, hugepages). Here
 * they come from an emulated board, so that the examples run anywhere and touch nothing of the
 * machine they run on. */
#ifndef EXAMPLES_MACHINE_H
#define EXAMPLES_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct machine;

/* A PCI function: where it is, and its first memory window (BAR 0). */
struct machine_device {
    unsigned bus, dev, func;
    uint64_t registers; /* physical address */
};

/* Memory of the board, whole 1 MiB pieces: no two processes get the same ones. */
struct machine_buffer {
    unsigned char* memory; /* as this process sees it */
    uint64_t physical;     /* as devices see it */
    size_t length;
    int fd; /* the same memory as a file, for smmu_mapping_add_fd() */
    uint64_t offset;
};

/* Connects to the running board that SMMU_BOARD names (default q35-vtd). NULL with errno when there
 * is none. */
struct machine* machine_open(void);
void machine_close(struct machine* machine);

/* Finds a PCI function and its registers. -1 with errno: ENODEV when nothing answers. */
int machine_find(struct machine* machine, unsigned bus, unsigned dev, unsigned func,
                 struct machine_device* found);
/* Lets the function see its registers accessed and start DMA by itself, or not. */
void machine_bus_master(struct machine* machine, const struct machine_device* device, bool on);
bool machine_is_bus_master(struct machine* machine, const struct machine_device* device);

/* Registers, by physical address. A board that is gone reads as all ones. */
uint32_t machine_read32(struct machine* machine, uint64_t address);
uint64_t machine_read64(struct machine* machine, uint64_t address);
void machine_write32(struct machine* machine, uint64_t address, uint32_t value);
void machine_write64(struct machine* machine, uint64_t address, uint64_t value);

/* Takes memory, zeroed. -1 with errno. It is given back by machine_close or when the process ends.
 */
int machine_take_memory(struct machine* machine, size_t length, struct machine_buffer* buffer);

/* What the board itself prints, such as the lines of QEMU about refused accesses. */
const char* machine_log(const struct machine* machine);

#ifdef __cplusplus
}
#endif

#endif
