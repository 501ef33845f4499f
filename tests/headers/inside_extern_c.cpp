// SPDX-License-Identifier: Apache-2.0
// A C++ program that wraps its C headers itself, as many do.
extern "C" {
#include <smmu.h>
#include <smmu_ext.h>
}

int main() {
    union smmu_devid devid = {};
    devid.type = SDT_MMIO;
    struct smmu_map_entry entry = {};
    entry.phys = 0x1000;
    return sizeof(devid) == 32 && sizeof(entry) == 16 && sizeof(struct smmu_status) == 56 ? 0 : 1;
}
