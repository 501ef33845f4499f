/* SPDX-License-Identifier: Apache-2.0 */
/* Every declaration of smmu_ext.h, included alone and twice. Run against no service, it ends with
 * 0. */
#include <smmu_ext.h>

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

int main(void) {
    struct smmu_event event;
    union smmu_devid devid;
    memset(&event, 0, sizeof(event));
    memset(&devid, 0, sizeof(devid));
    event.size = sizeof(event);
    devid.pci.type = SDT_PCI;
    devid.pci.bus = smmu_pci_segment_bus(1, 59);
    if (smmu_event_read(&event, 1) != -1 || errno != ENOTCONN) return 1;
    if (smmu_event_fd() != -1 || smmu_device_fd(&devid) != -1) return 2;
    if (smmu_mapping_add_fd(NULL, SMF_READ, 0, 0, 4096, 0) != -1) return 3;
    if (smmu_obj_destroy_checked(NULL) != 0) return 4;
    if (strcmp(smmu_cause_name(SMMU_CAUSE_OVERRUN), "overrun") != 0) return 5;
    if (smmu_pci_segment_bus(0, SMMU_PCI_FIELD_ANY) != SMMU_PCI_FIELD_ANY) return 6;
    printf("%s\n", smmu_strerror_last());
    return (event.flags & SMMU_EVENT_ADDRESS_KNOWN) != 0;
}
