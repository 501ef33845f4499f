/* SPDX-License-Identifier: Apache-2.0 */
/* The safe way to grant memory: hand it over as a file descriptor. The service holds the memory
 * itself until no device reaches it, so that it cannot become somebody else's while a device still
 * writes it, even if this process is killed in the middle. Device addresses are free to choose. */
#include <stdio.h>
#include <string.h>

#include "dma_engine.h"
#include "own_device.h"
#include "smmu.h"
#include "smmu_ext.h"

static const uint64_t device_address = 0x100000;

static int run(struct machine* machine, struct machine_device* engine, struct machine_buffer* memory) {
    static const char message[32] = "handed over by descriptor";
    struct smmu_object* object = smmu_obj_create(SOCF_NONE);
    if (object == NULL || own_device(object, engine) == -1 ||
        smmu_mapping_add_fd(object, SMF_READ | SMF_WRITE, memory->fd, memory->offset, 4096,
                            device_address) == -1) {
        fprintf(stderr, "fd_driver: %s\n", smmu_strerror_last());
        return 1;
    }
    machine_bus_master(machine, engine, true);
    memcpy(memory->memory, message, sizeof message);
    if (engine_read_memory(machine, engine, device_address, sizeof message) == -1 ||
        engine_write_memory(machine, engine, device_address + 2048, sizeof message) == -1) {
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
    const char* place = count > 1 ? words[1] : "0:3.0";
    struct machine_device engine;
    struct machine_buffer memory;
    struct machine* machine = machine_open();
    if (machine == NULL || machine_find(machine, place, &engine) == -1 ||
        machine_take_memory(machine, 4096, &memory) == -1 || smmu_init(0) == -1) {
        perror("fd_driver");
        return 1;
    }
    const int status = run(machine, &engine, &memory);
    smmu_fini();
    machine_close(machine);
    return status;
}
