// SPDX-License-Identifier: Apache-2.0
// The record of where tables lie: what is no record of this boot says nothing.
#include "platform/linux/table_record.hpp"

#include <gmock/gmock.h>

#include "fake_host.hpp"

namespace smmu::platform::linux {
namespace {

using test::FakeHost;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr memory::BootIdentity boot{0, 1, 2, 0xff}, other_boot{1};

TablePlace place(std::uint64_t first, bool set_aside = false) {
    return {{{first}, {first + 0x1fffff}}, set_aside};
}

TEST(TableRecord, OfWhatWasWritten) {
    const FakeHost host;
    const std::string path = host.places().tables;
    EXPECT_THAT(recorded_tables(path, boot), IsEmpty());
    ASSERT_TRUE(record_tables(path, boot, place(0x200000)));
    ASSERT_TRUE(record_tables(path, boot, place(0x10000000, true)));
    EXPECT_THAT(recorded_tables(path, boot), ElementsAre(place(0x200000), place(0x10000000, true)));
    ASSERT_TRUE(record_tables(path, boot, place(0x200000)));
    EXPECT_THAT(recorded_tables(path, boot), ElementsAre(place(0x10000000, true), place(0x200000))) << "the last one is last";
    EXPECT_THAT(recorded_tables(path, other_boot), IsEmpty());
    ASSERT_TRUE(record_tables(path, other_boot, place(0x400000)));
    EXPECT_THAT(recorded_tables(path, other_boot), ElementsAre(place(0x400000)));
}

TEST(TableRecord, IsBounded) {
    const FakeHost host;
    for (std::uint64_t i = 0; i <= most_table_places; ++i)
        ASSERT_TRUE(record_tables(host.places().tables, boot, place(i << 32)));
    const auto places = recorded_tables(host.places().tables, boot);
    ASSERT_EQ(places.size(), most_table_places);
    EXPECT_EQ(places.front(), place(std::uint64_t{1} << 32));
}

TEST(TableRecord, ForeignTextSaysNothing) {
    const std::string good = table_record_of({place(0x200000)}, boot);
    EXPECT_THAT(table_places_in(good, boot), ElementsAre(place(0x200000)));
    const std::string line = good.substr(0, good.find('\n') + 1);
    for (const std::string wrong : {"kept 1", "kept 2 1", "kept 1 2 3", "kept x 1", "kept 1 2x", "lost 1 2", "kept -1 2", "kept 1 10000000000000000"})
        EXPECT_THAT(table_places_in(line + wrong + "\n", boot), IsEmpty()) << wrong;
    EXPECT_THAT(table_places_in("", boot), IsEmpty());
    EXPECT_THAT(table_places_in("kept 1 2\n", boot), IsEmpty());
    std::string many = line;
    for (std::size_t i = 0; i <= most_table_places; ++i) many += "kept 1 2\n";
    EXPECT_THAT(table_places_in(many, boot), IsEmpty());
}

TEST(TableRecord, WhereItCannotBeWrittenTheStartSaysSo) {
    EXPECT_FALSE(record_tables("/nowhere/at/all", boot, place(0)));
}

}  // namespace
}  // namespace smmu::platform::linux
