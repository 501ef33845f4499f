/* SPDX-License-Identifier: Apache-2.0 */
/* A driver for a DMA engine (QEMU's `edu`, or that of a model) whose DMA is contained: it owns the
 * device, grants it one buffer, and nothing else is reachable. It takes orders on standard input, one a line, so that it can be
 * watched step by step:
 *
 *   attach           own the device and let it do DMA (also after the service was restarted)
 *   grant N, remove N    the first N bytes of the buffer
 *   copy             the device reads 64 bytes of the buffer and writes them back further on
 *   stray ADDRESS    a bug: the device writes 16 bytes somewhere
 *   detach, quit
 *
 * Each order is answered by a line that begins with "ok" or "failed". */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dma_engine.h"
#include "own_device.h"
#include "smmu.h"

static struct machine* machine;
static struct machine_device engine;
static struct machine_buffer buffer;
static struct smmu_object* object;

static int detach(void) {
    machine_bus_master(machine, &engine, false);
    smmu_obj_destroy(object); /* blocks the device and forgets every grant */
    object = NULL;
    smmu_fini();
    return 0;
}

static int attach(void) {
    if (object != NULL) detach();
    if (smmu_init(0) == -1) return -1;
    object = smmu_obj_create(SOCF_NONE);
    if (object == NULL) return -1;
    if (own_device(object, &engine) == -1) return -1;
    machine_bus_master(machine, &engine, true); /* only now: the device reaches nothing yet */
    return 0;
}

/* permissions: SMF_READ | SMF_WRITE grants, SMF_NONE removes. */
static int grant(unsigned permissions, uint64_t length) {
    const struct smmu_map_entry entry = {.phys = buffer.physical, .len = length};
    return smmu_mapping_add(object, permissions, 0, 1, &entry, 0);
}

static int copy(void) {
    enum { bytes = 64, further_on = 1024 };
    static unsigned char number;
    ++number;
    for (int i = 0; i < bytes; ++i) buffer.memory[i] = (unsigned char)(number + 7 * i);
    memset(buffer.memory + further_on, 0, bytes);
    if (engine_read_memory(machine, &engine, buffer.physical, bytes) == -1) return -1;
    if (engine_write_memory(machine, &engine, buffer.physical + further_on, bytes) == -1) return -1;
    errno = EIO; /* in case the bytes did not arrive */
    return memcmp(buffer.memory, buffer.memory + further_on, bytes) == 0 ? 0 : -1;
}

static int obey(const char* order, const char* argument) {
    const uint64_t number = strtoull(argument, NULL, 0);
    if (strcmp(order, "attach") == 0) return attach();
    if (strcmp(order, "grant") == 0) return grant(SMF_READ | SMF_WRITE, number);
    if (strcmp(order, "remove") == 0) return grant(SMF_NONE, number);
    if (strcmp(order, "copy") == 0) return copy();
    if (strcmp(order, "stray") == 0) return engine_write_memory(machine, &engine, number, 16);
    if (strcmp(order, "detach") == 0) return detach();
    errno = EINVAL;
    return -1;
}

int main(int count, char** words) {
    const char* place = count > 1 ? words[1] : "0:3.0";
    machine = machine_open();
    if (machine == NULL || machine_find(machine, place, &engine) == -1 ||
        machine_take_memory(machine, 64 * 1024, &buffer) == -1) {
        perror("edu_driver: no board, device or memory");
        return 1;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("ok buffer 0x%" PRIx64 "\n", buffer.physical);

    char line[128], order[16], argument[64];
    while (fgets(line, sizeof line, stdin) != NULL) {
        argument[0] = '\0';
        if (sscanf(line, "%15s %63s", order, argument) < 1) continue;
        if (strcmp(order, "quit") == 0) break;
        if (obey(order, argument) == 0)
            printf("ok %s\n", order);
        else
            printf("failed %s: %s\n", order, strerror(errno));
    }
    if (object != NULL) detach();
    machine_close(machine);
    return 0;
}
