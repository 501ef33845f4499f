/* SPDX-License-Identifier: Apache-2.0 */
/* What a virtual machine monitor does for a device it passes to a guest: the device issues the
 * guest's own addresses, and these lead to the memory that the guest was given; the memory's real
 * address leads nowhere. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "dma_engine.h"
#include "own_device.h"
#include "smmu.h"

static const uint64_t guest_address =
    0x180000000; /* above 4 GiB: where no memory of the board is */

static int run(struct machine* machine, struct machine_device* engine, struct machine_buffer* memory) {
    static const char message[32] = "written through guest addresses";
    const struct smmu_map_entry guest_ram = {.phys = guest_address, .len = 8192};
    unsigned char *copied = memory->memory + 4096, *untouched = memory->memory + 6144;

    /* A guest's reserved regions are the monitor's own business. */
    struct smmu_object* guest = smmu_obj_create(SOCF_RESERVED_MANUAL);
    if (guest == NULL || own_device(guest, engine) == -1 ||
        smmu_mapping_add(guest, SMF_READ | SMF_WRITE | SMF_TARGET, 0, 1, &guest_ram,
                         memory->physical) == -1) {
        perror("guest_memory: no guest object");
        return 1;
    }
    machine_bus_master(machine, engine, true);

    memcpy(memory->memory, message, sizeof message);
    if (engine_read_memory(machine, engine, guest_address, sizeof message) == -1) return 1;
    if (engine_write_memory(machine, engine, guest_address + 4096, sizeof message) == -1) return 1;
    const int arrived = memcmp(copied, message, sizeof message) == 0;

    /* The guest's driver was told a real address: the device must not get there. */
    memset(untouched, 0x5a, sizeof message);
    if (engine_write_memory(machine, engine, memory->physical + 6144, sizeof message) == -1) return 1;
    int confined = 1;
    for (size_t i = 0; i < sizeof message; ++i) confined &= untouched[i] == 0x5a;

    machine_bus_master(machine, engine, false);
    smmu_obj_destroy(guest); /* only after this may the memory be used for something else */
    printf("guest address 0x%" PRIx64 " is physical 0x%" PRIx64 ": bytes %s, device %s\n",
           guest_address, memory->physical, arrived ? "arrived" : "LOST",
           confined ? "confined" : "NOT CONFINED");
    return arrived && confined ? 0 : 1;
}

int main(int count, char** words) {
    const char* place = count > 1 ? words[1] : "0:3.0";
    struct machine_device engine;
    struct machine_buffer memory;
    struct machine* machine = machine_open();
    if (machine == NULL || machine_find(machine, place, &engine) == -1 ||
        machine_take_memory(machine, 8192, &memory) == -1 || smmu_init(0) == -1) {
        perror("guest_memory");
        return 1;
    }
    const int status = run(machine, &engine, &memory);
    smmu_fini();
    machine_close(machine);
    return status;
}
