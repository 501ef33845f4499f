/* SPDX-License-Identifier: Apache-2.0 */
/* Prints every refused access of every device, one line each, until it is ended. It owns no device:
 * watching and driving are two jobs. When the service is restarted it connects anew. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "smmu.h"
#include "smmu_ext.h"

static void print(const struct smmu_event* event) {
    char device[32] = "unknown device", owner[48] = "nobody";
    if (event->device.type == SDT_PCI)
        snprintf(device, sizeof device, "%04x:%02x:%02x.%x", event->device.pci.bus >> 8 & 0xffff,
                 event->device.pci.bus & 0xff, event->device.pci.dev, event->device.pci.func);
    else if (event->device.type == SDT_MMIO)
        snprintf(device, sizeof device, "mem:0x%" PRIx64, (uint64_t)event->device.mmio.phys);
    if (event->owner_pid != 0)
        snprintf(owner, sizeof owner, "pid %u object %u", event->owner_pid, event->owner_object);
    const char* access = (event->access & SMF_WRITE) != 0  ? "write"
                         : (event->access & SMF_READ) != 0 ? "read"
                                                           : "access"; /* some hardware does not say */
    printf("refused: %s %s 0x%" PRIx64 " owner %s cause %s (%" PRIu64 "x, unit %s)%s\n", device,
           access, (uint64_t)event->address, owner,
           smmu_cause_name(event->cause), (uint64_t)event->count, event->unit,
           (event->flags & SSF_DROPPED_FAULTS) != 0 ? " [some were lost before this one]" : "");
}

/* Until the connection ends. */
static void watch(void) {
    struct smmu_event events[16];
    struct pollfd waiting = {.fd = smmu_event_fd(), .events = POLLIN, .revents = 0};
    for (;;) {
        events[0].size = sizeof events[0];
        const int got = smmu_event_read(events, 16);
        if (got == -1) return;
        for (int i = 0; i < got; ++i) print(&events[i]);
        if (got == 0 && poll(&waiting, 1, -1) == -1 && errno != EINTR) return;
    }
}

int main(void) {
    const struct timespec pause = {0, 50 * 1000 * 1000};
    int said = 0;
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (;;) {
        if (smmu_init(0) == 0) {
            printf("connected\n");
            watch();
            printf("disconnected: %s\n", smmu_strerror_last());
            smmu_fini();
            said = 0;
        } else if (!said) {
            printf("waiting for the service: %s\n", strerror(errno));
            said = 1;
        }
        nanosleep(&pause, NULL);
    }
}
