// SPDX-License-Identifier: Apache-2.0
// Lists of ranges: inline and by memfd, honest and not.
#include "protocol/entries.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <vector>

namespace smmu::protocol {
namespace {

class EntriesTest : public testing::Test {
protected:
    Request request(std::uint32_t count, Bytes payload) {
        body.count = count;
        return {find_command(std::uint16_t(Opcode::mapping)), 1, bytes_of(body), payload};
    }
    MappingRequest body{};
    Descriptors descriptors;
    std::vector<Entry> entries = std::vector<Entry>(2000);
};

TEST_F(EntriesTest, InlineComesThrough) {
    entries[1] = {7, 8};
    const Bytes payload = std::as_bytes(std::span(entries).first(2));
    ASSERT_EQ(count_entries(request(2, payload), descriptors).value(), 2u);
    std::vector<Entry> read(2);
    ASSERT_TRUE(read_entries(request(2, payload), descriptors, read));
    EXPECT_EQ(read[1].address, 7u);
    EXPECT_EQ(read[1].length, 8u);
}

TEST_F(EntriesTest, CountMustAgreeWithPayload) {
    const Bytes payload = std::as_bytes(std::span(entries).first(2));
    EXPECT_EQ(count_entries(request(1, payload), descriptors).error().code, EINVAL);
    EXPECT_EQ(count_entries(request(3, payload), descriptors).error().code, EINVAL);
    EXPECT_EQ(count_entries(request(2, payload.first(31)), descriptors).error().code, EINVAL);
    EXPECT_EQ(count_entries(request(entries_limit + 1, payload), descriptors).error().code, E2BIG);
    EXPECT_EQ(count_entries(request(0xffff'ffff, payload), descriptors).error().code, E2BIG);
}

TEST_F(EntriesTest, SealedFileComesThrough) {
    entries[1999] = {1, 2};
    auto file = seal(std::as_bytes(std::span(entries)));
    ASSERT_TRUE(file);
    EXPECT_LT(ftruncate(file->get(), 1), 0) << "it must not change any more";
    EXPECT_LT(pwrite(file->get(), "x", 1, 0), 0);
    ASSERT_TRUE(descriptors.add(std::move(*file)));
    ASSERT_EQ(count_entries(request(2000, {}), descriptors).value(), 2000u);
    EXPECT_EQ(count_entries(request(2000, Bytes(bytes_of(body))), descriptors).error().code,
              EINVAL);
    std::vector<Entry> read(2000);
    ASSERT_TRUE(read_entries(request(2000, {}), descriptors, read));
    EXPECT_EQ(read[1999].length, 2u);
    std::vector<Entry> more(2001);
    EXPECT_EQ(read_entries(request(2001, {}), descriptors, more).error().code, EINVAL)
        << "file is shorter";
}

TEST_F(EntriesTest, EverySealIsNeeded) {
    for (const int seals : {0, F_SEAL_WRITE | F_SEAL_SHRINK, F_SEAL_WRITE | F_SEAL_GROW,
                            F_SEAL_SHRINK | F_SEAL_GROW}) {
        UniqueFd file(memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
        ASSERT_EQ(ftruncate(file.get(), 64), 0);
        ASSERT_EQ(fcntl(file.get(), F_ADD_SEALS, seals), 0);
        descriptors.clear();
        ASSERT_TRUE(descriptors.add(std::move(file)));
        std::vector<Entry> read(4);
        EXPECT_EQ(read_entries(request(4, {}), descriptors, read).error().code, EINVAL) << seals;
    }
}

TEST_F(EntriesTest, OtherFilesAreRefused) {
    std::vector<Entry> read(1);
    int ends[2];
    ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
    const UniqueFd writing(ends[1]);
    ASSERT_TRUE(descriptors.add(UniqueFd(ends[0])));
    EXPECT_EQ(read_entries(request(1, {}), descriptors, read).error().code, EINVAL);
    descriptors.clear();
    ASSERT_TRUE(descriptors.add(UniqueFd(open("/dev/zero", O_RDONLY | O_CLOEXEC))));
    EXPECT_EQ(read_entries(request(1, {}), descriptors, read).error().code, EINVAL);
}

}  // namespace
}  // namespace smmu::protocol
