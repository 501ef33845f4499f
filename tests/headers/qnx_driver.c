/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A driver written for the original interface: uses every declaration of smmu.h in the way that
 * drivers in the field do. It must compile unchanged in every language the header promises. Run
 * against no service, it ends with 0.
 */
#include <errno.h>
#include <smmu.h>
#include <stdio.h>
#include <string.h>

struct channel {
    struct smmu_object* sop;
    _Uint64t registers;
    _Uint32t length;
};

static int attach(struct channel* channel, _Uint64t descriptors, _Uint64t fifo) {
    struct smmu_map_entry entries[2];
    channel->sop = smmu_obj_create(SOCF_NONE);
    if (channel->sop == NULL) return -1;
    if (smmu_device_add_mmio(channel->sop, channel->registers, channel->length) == -1) {
        smmu_obj_destroy(channel->sop);
        return -1;
    }
    memset(entries, 0, sizeof(entries));
    entries[0].phys = descriptors;
    entries[0].len = 64;
    entries[1].phys = fifo;
    entries[1].len = 1;
    return smmu_mapping_add(channel->sop, SMF_READ | SMF_WRITE, 0, 2, entries, 0);
}

static void detach(struct channel* channel, _Uint64t descriptors) {
    struct smmu_map_entry entry;
    entry.virt = NULL;
    entry.virt32 = 0u;
    entry.virt64 = 0u;
    entry.phys = descriptors;
    entry.len = 64;
    (void)smmu_mapping_add(channel->sop, SMF_NONE, 0, 1, &entry, 0);
    (void)smmu_mapping_add(channel->sop, SMF_TARGET, 0, 1, &entry, 0x80000000u);
    (void)smmu_device_add_mmio(NULL, channel->registers, channel->length);
    smmu_obj_destroy(channel->sop);
}

static unsigned reserved_regions(unsigned bus) {
    union smmu_devid devid;
    struct smmu_map_entry regions[4];
    unsigned offset = 0;
    unsigned count;
    memset(&devid, 0, sizeof(devid));
    devid.pci.type = SDT_PCI;
    devid.pci.bus = bus;
    devid.pci.dev = 18;
    devid.pci.func = SMMU_PCI_FIELD_ANY;
    while ((count = smmu_device_report_reserved(&devid, offset, regions, 4)) != 0) {
        if (count == (unsigned)-1) break;
        offset += count;
    }
    return offset;
}

static int watch(void) {
    struct smmu_status status;
    int found = 0;
    if (smmu_xfer_notify(NULL) == -1) return -1;
    while (smmu_xfer_status(&status) > 0) {
        if ((status.flags & SSF_DROPPED_FAULTS) != 0) found += 1000;
        switch (status.devid.type) {
            case SDT_PCI:
                found += (int)(status.devid.pci.bus & 1u);
                break;
            case SDT_MMIO:
                found += status.devid.mmio.phys == status.fault_addr;
                break;
            default:
                found += status.hw_specific != 0;
                break;
        }
    }
    return found;
}

int main(void) {
    struct channel channel;
    const char* abilities[2] = {SMMU_ABILITY_ATTACH_NAME, SMMU_ABILITY_TARGET_NAME};
    memset(&channel, 0, sizeof(channel));
    channel.registers = 0xe6ef0000u;
    channel.length = 0x1000u;
    if (smmu_init(0) == -1) {
        printf("%s %s: errno %d\n", abilities[0], abilities[1], errno);
        return errno == ENOENT ? 0 : 1;
    }
    if (smmu_safety() == SMMUMAN_SAFETY_YES) printf("safe\n");
    if (attach(&channel, 0x58000000u, 0xe6ef0040u) < 0) return 2;
    if (smmu_device_add_pci(channel.sop, 0, 18, 0) < 0) return 3;
    printf("%u %d\n", reserved_regions(0), watch());
    detach(&channel, 0x58000000u);
    smmu_fini();
    return SOCF_RESERVED_MANUAL == 1 && SMF_VIRT == 8 && SMF_EXEC == 4 ? 0 : 4;
}
