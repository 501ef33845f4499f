/* SPDX-License-Identifier: Apache-2.0 */
/* The safe way to grant memory: hand it over as a file descriptor. The service holds the memory
 * itself until no device reaches it, so that it cannot become somebody else's while a device still
 * writes it, even if this process is killed in the middle. Device addresses are free to choose. */
#include <stdio.h>
#include <string.h>

#include "edu.h"
#include "smmu.h"
#include "smmu_ext.h"

static const uint64_t device_address = 0x100000;

static int run(struct machine* machine, struct machine_device* edu, struct machine_buffer* memory) {
    static const char message[32] = "handed over by descriptor";
    struct smmu_object* object = smmu_obj_create(SOCF_NONE);
    if (object == NULL || smmu_device_add_pci(object, edu->bus, edu->dev, edu->func) == -1 ||
        smmu_mapping_add_fd(object, SMF_READ | SMF_WRITE, memory->fd, memory->offset, 4096,
                            device_address) == -1) {
        fprintf(stderr, "fd_driver: %s\n", smmu_strerror_last());
        return 1;
    }
    machine_bus_master(machine, edu, true);
    memcpy(memory->memory, message, sizeof message);
    if (edu_read_memory(machine, edu, device_address, sizeof message) == -1 ||
        edu_write_memory(machine, edu, device_address + 2048, sizeof message) == -1) {
        perror("fd_driver: the device");
        return 1;
    }
    const int arrived = memcmp(memory->memory + 2048, message, sizeof message) == 0;

    /* A destroy that says whether hardware confirmed that nothing is reachable any more. */
    if (smmu_obj_destroy_checked(object) == -1) {
        fprintf(stderr, "fd_driver: %s\n", smmu_strerror_last());
        return 1;
    }
    printf("memory by descriptor: bytes %s\n", arrived ? "arrived" : "LOST");
    return arrived ? 0 : 1;
}

int main(int count, char** words) {
    unsigned bus = 0, dev = 3, func = 0;
    if (count > 1 && sscanf(words[1], "%x:%x.%x", &bus, &dev, &func) != 3) {
        fprintf(stderr, "usage: fd_driver [BUS:DEV.FUNC]\n");
        return 2;
    }
    struct machine_device edu;
    struct machine_buffer memory;
    struct machine* machine = machine_open();
    if (machine == NULL || machine_find(machine, bus, dev, func, &edu) == -1 ||
        machine_take_memory(machine, 4096, &memory) == -1 || smmu_init(0) == -1) {
        perror("fd_driver");
        return 1;
    }
    const int status = run(machine, &edu, &memory);
    smmu_fini();
    machine_close(machine);
    return status;
}
