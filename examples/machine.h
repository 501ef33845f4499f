/* SPDX-License-Identifier: Apache-2.0 */
/* The machine as the examples see it: registers of devices, and memory that these can reach.
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

/* A device: a PCI function, or a block of registers at an address of its own. */
struct machine_device {
    bool is_pci;
    unsigned bus, dev, func; /* of a function */
    uint64_t registers;      /* physical address: a function's first memory window (BAR 0), or the block */
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

/* Finds a device by its place: "0:3.0" is a PCI function (bus, device and function, hexadecimal),
 * "mem:ff000000" a block of registers. -1 with errno: EINVAL for any other text, ENODEV when nothing answers. */
int machine_find(struct machine* machine, const char* place, struct machine_device* found);
/* Lets a PCI function see its registers accessed and start DMA by itself, or not. A block always does. */
void machine_bus_master(struct machine* machine, const struct machine_device* device, bool on);
bool machine_is_bus_master(struct machine* machine, const struct machine_device* device);

/* The interrupt message (MSI) of a PCI function from now on: two bytes of data, as four bytes written at `address`. -1 with
 * ENOTSUP when it has none. */
int machine_set_message(struct machine* machine, const struct machine_device* function,
                        uint64_t address, uint16_t data);

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
