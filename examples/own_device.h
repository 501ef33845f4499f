/* SPDX-License-Identifier: Apache-2.0 */
/* A device of the board becomes an object's: the one place where it matters to a client what kind of device it is. */
#ifndef EXAMPLES_OWN_DEVICE_H
#define EXAMPLES_OWN_DEVICE_H

#include "machine.h"
#include "smmu.h"

/* -1 with errno, as smmu_device_add_pci() and smmu_device_add_mmio(). */
static inline int own_device(struct smmu_object* object, const struct machine_device* device) {
    enum { first_page = 4096 }; /* the block is found by where it begins */
    if (device->is_pci) return smmu_device_add_pci(object, device->bus, device->dev, device->func);
    return smmu_device_add_mmio(object, device->registers, first_page);
}

#endif
