// SPDX-License-Identifier: Apache-2.0
// Events: what tests of records and of notifications share.
#pragma once

#include <smmu_ext.h>

#include <cstring>

#include "fake_service.hpp"

namespace smmu::client {

inline protocol::EventRecord record(std::uint64_t sequence) {
    protocol::EventRecord record{};
    record.sequence = sequence;
    record.count = 1;
    record.address = 0x1234'5678'9000;
    record.hardware[0] = 0xfeed;
    record.hardware[3] = 0xbeef;
    record.device.kind = protocol::DeviceKind::pci;
    record.device.segment = 1;
    record.device.bus = 2;
    record.device.device = 3;
    record.device.function = 4;
    record.access = SMF_WRITE;
    record.flags = protocol::event_address_known;
    record.cause = SMMU_CAUSE_AFTER_REMOVAL;
    record.age_ns = 5;
    record.stream = 0x21c;
    record.owner_pid = 42;
    std::strcpy(record.unit, "iommu0");
    return record;
}

class Events : public ClientTest {
protected:
    void SetUp() override {
        ClientTest::SetUp();
        ASSERT_EQ(smmu_init(0), 0);
    }
};

}  // namespace smmu::client
