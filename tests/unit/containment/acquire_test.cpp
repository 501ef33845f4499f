// SPDX-License-Identifier: Apache-2.0
// Units that have to be asked for a device: they are asked before anything changes, and told when nobody has it any more.
#include "tests/unit/containment/house.hpp"

namespace smmu::containment::testing {
namespace {

using enum units::IommuUnit::Owner;

class Acquire : public House {
protected:
    using Had = std::map<StreamId, units::IommuUnit::Owner>;
    ClientId a = client(100), b = client(200);
    ObjectId o = object(a), p = object(b);
};

TEST_F(Acquire, AnOwnerIsAskedForAndLetGo) {
    EXPECT_EQ(add(a, o, twin), 0);
    EXPECT_EQ(unit0->acquired, (Had{{StreamId{16}, another}, {StreamId{17}, another}}));
    EXPECT_EQ(remove(a, twin), 0);
    EXPECT_TRUE(unit0->acquired.empty());
    EXPECT_EQ(add(a, o, twin), 0);
    EXPECT_EQ(unit0->acquired, (Had{{StreamId{16}, same}, {StreamId{17}, same}}));
    service->disconnect(a);
    EXPECT_TRUE(unit0->acquired.empty());
    EXPECT_EQ(add(b, p, twin), 0);
    EXPECT_EQ(unit0->acquired.at(StreamId{16}), another);
    EXPECT_EQ(destroy(b, p), 0);
    EXPECT_TRUE(unit0->acquired.empty());
    EXPECT_EQ(machine.count("LET GO WHILE ATTACHED"), 0u);
}

TEST_F(Acquire, WhatCannotBeHadChangesNothing) {
    unit0->unavailable = {StreamId{17}};
    EXPECT_EQ(add(a, o, twin), EBUSY);
    EXPECT_TRUE(unit0->acquired.empty()) << "its other stream was given back";
    EXPECT_EQ(service->view(DeviceIndex{1}).object, std::nullopt);
    EXPECT_EQ(grant(a, o, 0x10000, page), 0) << "the object is as good as before";
    EXPECT_EQ(add(a, o, alone), 0);
    EXPECT_EQ(may(unit0, 8, 0x10000), "rw");
}

TEST_F(Acquire, AFailedAddGivesBack) {
    unit0->has_no_tables = true;
    EXPECT_EQ(grant(a, o, 0x10000, page), 0);
    EXPECT_EQ(add(a, o, alone), ENOMEM);
    EXPECT_TRUE(unit0->acquired.empty());
}

TEST_F(Acquire, AMoveKeepsIt) {
    const ObjectId q = object(a);
    EXPECT_EQ(add(a, o, alone), 0);
    EXPECT_EQ(add(a, q, alone), 0);
    EXPECT_EQ(unit0->acquired, (Had{{StreamId{8}, same}}));
    EXPECT_EQ(destroy(a, o), 0);
    EXPECT_FALSE(unit0->acquired.empty()) << "the other object has it";
}

TEST_F(Acquire, TheStreamOfADeviceIsForItsOwner) {
    EXPECT_EQ(add(a, o, alone), 0);
    EXPECT_EQ(service->attached_stream(a, alone)->id, StreamId{8});
    EXPECT_EQ(service->attached_stream(b, alone).error().code, EPERM);
    EXPECT_EQ(service->attached_stream(a, twin).error().code, EPERM);
    EXPECT_EQ(service->attached_stream(a, PciQuery{0, 9, 9, 0}).error().code, ENOENT);
    EXPECT_EQ(service->attached_stream(a, PciQuery{0, 0, 2, std::nullopt}).error().code, EINVAL);
}

}  // namespace
}  // namespace smmu::containment::testing
