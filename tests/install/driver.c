/* SPDX-License-Identifier: Apache-2.0 */
/* A driver outside the tree: what the README shows, without a board's registers. */
#include <smmu_ext.h>
#include <stdio.h>

int main(void) {
    struct smmu_map_entry entry = {.phys = 0x100000, .len = 4096};
    if (smmu_init(0) == -1) {
        printf("no service: %s\n", smmu_strerror_last());
        return 0;
    }
    struct smmu_object* object = smmu_obj_create(SOCF_NONE);
    if (object != NULL && smmu_device_add_pci(object, 0, 3, 0) == 0)
        (void)smmu_mapping_add(object, SMF_READ | SMF_WRITE, 0, 1, &entry, 0);
    const int result = smmu_obj_destroy_checked(object);
    smmu_fini();
    return result == 0 ? 0 : 1;
}
