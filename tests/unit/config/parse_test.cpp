// SPDX-License-Identifier: Apache-2.0
// The *.smmu language: what is understood, as a value with origins.
#include "config/parse.hpp"

#include <gtest/gtest.h>

#include <map>

#include "config/options.hpp"

namespace smmu::config {
namespace {

using topology::MmioBlock;
using topology::PciAddress;
using topology::UnitKind;

using Files = std::map<std::string, std::string>;

ParseResult parse_text(const std::string& text, const Files& files = {},
                       Edition edition = Edition::plain) {
    const FileReader reader = [&files](const std::string& path) -> Result<std::string> {
        const auto at = files.find(path);
        if (at == files.end()) return fail(ENOENT, "no such file");
        return at->second;
    };
    const std::vector<std::string> arguments{text};
    return parse(arguments, reader, edition);
}

Configuration good(const std::string& text, const Files& files = {},
                   Edition edition = Edition::plain) {
    ParseResult result = parse_text(text, files, edition);
    for (const ConfigError& error : result.errors) ADD_FAILURE() << error.line();
    return std::move(result.configuration);
}

PhysRange range(std::uint64_t first, std::uint64_t last) {
    return {PhysAddr{first}, PhysAddr{last}};
}

TEST(Parse, NothingAtAll) {
    const Configuration plain = good("");
    EXPECT_EQ(plain.widen.value, Widen::allow);
    EXPECT_EQ(plain.safety.value, Safety::none);
    EXPECT_EQ(plain.socket.value, "/run/smmuman/smmuman.sock");
    EXPECT_FALSE(plain.platform.value.board);
    EXPECT_FALSE(plain.platform.origin);
    EXPECT_TRUE(plain.wants(UnitKind::vtd));
    const Configuration safe = good("", {}, Edition::safety);
    EXPECT_EQ(safe.widen.value, Widen::refuse);
    EXPECT_EQ(safe.safety.value, Safety::required);
}

TEST(Parse, AllowSetsGrow) {
    const Configuration c =
        good("allow a 8000,8192 allow b 0x8000,0x2000,r allow a 0d32768,8K,xw allow a 8M,16,rwx");
    ASSERT_EQ(c.allow_sets.size(), 2u);
    const AllowSet& a = *c.find_allow("a");
    ASSERT_EQ(a.windows.size(), 3u);
    EXPECT_EQ(a.windows[0].range, range(0x8000, 0x9fff));
    EXPECT_EQ(a.windows[0].access, read_write);
    EXPECT_EQ(a.windows[1].range, range(0x8000, 0x9fff));
    EXPECT_EQ(a.windows[1].access, Access::execute | Access::write);
    EXPECT_EQ(a.windows[2].range, range(8u << 20, (8u << 20) + 15));
    EXPECT_EQ(c.find_allow("b")->windows[0].access, Access::read);
    EXPECT_EQ(a.windows[0].origin.text, "command line:1:9");
    EXPECT_EQ(c.find_allow("c"), nullptr);
}

TEST(Parse, DeviceClauses) {
    const Configuration c = good(
        "@board.smmu", {{"board.smmu",
                         "smmu vtd # the tables of the machine\n"
                         "device pci:0:20.0 late use iommu0 reserved 1000,4K,r reserved 2000,4K\n"
                         "device 0000:00:02.0 host device pci:0:3.0 blocked\n"
                         "device pci:0:20.0 other\n"
                         "device pci:0:29.0 reserved none\n"
                         "allow late 0,1M allow other 1M,1M\n"}});
    ASSERT_EQ(c.devices.size(), 4u);
    const DeviceEntry& first = *c.find_device(PciAddress{0, 0, 20, 0});
    ASSERT_EQ(first.allows.size(), 2u);
    EXPECT_EQ(first.allows[0].name, "late");
    EXPECT_EQ(first.allows[1].origin.text, "board.smmu:4:19");
    ASSERT_EQ(first.uses.size(), 1u);
    EXPECT_EQ(first.uses[0].unit, "iommu0");
    EXPECT_FALSE(first.uses[0].stream);
    ASSERT_EQ(first.reserved.size(), 2u);
    EXPECT_EQ(first.reserved[0].access, Access::read);
    EXPECT_EQ(first.origin.text, "board.smmu:2:1");
    EXPECT_TRUE(first.speaks_of_reserved());
    EXPECT_TRUE(c.find_device(PciAddress{0, 0, 2, 0})->host);
    EXPECT_TRUE(c.find_device(PciAddress{0, 0, 3, 0})->blocked);
    EXPECT_TRUE(c.find_device(PciAddress{0, 0, 29, 0})->speaks_of_reserved());
    EXPECT_EQ(c.find_device(PciAddress{0, 0, 1, 0}), nullptr);
}

TEST(Parse, UnitsOfEveryKind) {
    const Configuration c = good(
        "smmu vtd ignore unit iommu0 0xfed91000 "
        "smmu smmu-armsmmu.so unit mmu500 0x51400000,64,66,1,4:5:16,imx8 unit other "
        "2b400000,74,75,0 "
        "smmu armsmmuv3 unit v3 9050000,74,77,0,3 "
        "smmu rcar3 0xe67b0000,228,18,0x4f.0x20 unit vi0 0xfebd0000,14 "
        "smmu amdvi unit amd fed80000 smmu riscv unit rv 3010000 smmu virtio unit vio 10007000 "
        "smmu vfio "
        "device mem:0xe6ef0000 use vi0 0 device mem:2e8a0000 use other 18 use mmu500");
    EXPECT_EQ(c.vtd_tables(), TablePolicy::ignore);
    ASSERT_EQ(c.units.size(), 8u);
    EXPECT_EQ(c.find_unit("iommu0")->kind, UnitKind::vtd);
    EXPECT_EQ(c.find_unit("iommu0")->base, PhysAddr{0xfed91000});
    const UnitEntry& mmu500 = *c.find_unit("mmu500");
    EXPECT_EQ(mmu500.kind, UnitKind::smmuv2);
    EXPECT_EQ(mmu500.interrupts, (std::vector<std::uint32_t>{64, 66}));
    EXPECT_TRUE(mmu500.bypass);
    EXPECT_EQ(mmu500.reserved_streams, (std::vector<std::uint32_t>{4, 5, 16}));
    EXPECT_EQ(mmu500.board_library, "imx8");
    EXPECT_EQ(c.find_unit("v3")->reserved_streams, (std::vector<std::uint32_t>{3}));
    EXPECT_EQ(c.find_unit("vi0")->interrupts, (std::vector<std::uint32_t>{14}));
    EXPECT_EQ(c.find_unit("vi0")->kind, UnitKind::ipmmu);
    EXPECT_EQ(c.find_unit("amd")->kind, UnitKind::amdvi);
    EXPECT_EQ(c.find_unit("rv")->kind, UnitKind::riscv);
    EXPECT_EQ(c.find_unit("vio")->kind, UnitKind::virtio);
    EXPECT_TRUE(c.wants(UnitKind::smmuv3));
    EXPECT_EQ(c.modules.back().kind, std::nullopt);
    EXPECT_EQ(c.find_device(MmioBlock{PhysAddr{0xe6ef0000}, 0})->uses[0].stream, 0u);
    EXPECT_EQ(c.find_device(MmioBlock{PhysAddr{0x2e8a0000}, 0})->uses[0].stream, 18u);
}

TEST(Parse, ModuleSpellingsAndPolicies) {
    for (const char* word : {"vtd", "smmu-vtd", "smmu-vtd.so", "smmu-vtd-safety.so"})
        EXPECT_EQ(good(std::string("smmu ") + word).modules.at(0).kind, UnitKind::vtd) << word;
    EXPECT_EQ(good("smmu vtd require smmu vtd").vtd_tables(), TablePolicy::require);
    EXPECT_EQ(good("smmu vtd require smmu vtd ignore").vtd_tables(), TablePolicy::ignore);
    EXPECT_FALSE(good("smmu armsmmuv3").wants(UnitKind::vtd));
}

TEST(Parse, LastWordWins) {
    const Configuration c = good(
        "combine merge combine override exit block exit startup widen refuse widen allow safety "
        "warn safety none "
        "platform linux platform board q35-vtd trial 5 trial 60 socket /a socket /b debug 1 debug "
        "2 foreground "
        "foreground takeover foreign tables 16M tables 0x40000000,2M");
    EXPECT_EQ(c.combine.value, Combine::override_board);
    EXPECT_EQ(c.exit.value, ExitPolicy::startup);
    EXPECT_EQ(c.widen.value, Widen::allow);
    EXPECT_EQ(c.safety.value, Safety::none);
    EXPECT_TRUE(c.platform.value.board);
    EXPECT_EQ(c.platform.value.name, "q35-vtd");
    EXPECT_EQ(c.trial.value, std::chrono::seconds(60));
    EXPECT_EQ(c.socket.value, "/b");
    EXPECT_EQ(c.debug.value, 2u);
    EXPECT_TRUE(c.foreground.value);
    EXPECT_TRUE(c.takeover_foreign.value);
    EXPECT_EQ(c.tables.value.range, range(0x40000000, 0x401fffff));
    EXPECT_EQ(good("tables 16M").tables.value.bytes, 16u << 20);
    EXPECT_EQ(good("tables 16M").tables.value.range, std::nullopt);
    EXPECT_EQ(c.combine.origin->text, "command line:1:15");
}

TEST(Parse, AbilitiesLimitsAndAcceptance) {
    const Configuration c = good(
        "ability attach group:smmu ability admin user:root limit group:smmu any any "
        "limit user:cam pci:0:3.0 0x40000000,16M,r uncontained accept fed91000");
    ASSERT_EQ(c.abilities.size(), 2u);
    EXPECT_EQ(c.abilities[0].who, (Who{true, "smmu"}));
    EXPECT_EQ(c.abilities[1].ability, Ability::admin);
    ASSERT_EQ(c.limits.size(), 2u);
    EXPECT_FALSE(c.limits[0].device);
    EXPECT_FALSE(c.limits[0].memory);
    EXPECT_EQ(c.limits[1].who, (Who{false, "cam"}));
    EXPECT_EQ(*c.limits[1].device, topology::DeviceId(PciAddress{0, 0, 3, 0}));
    EXPECT_EQ(c.limits[1].memory->access, Access::read);
    EXPECT_TRUE(c.accepts_uncontained(PhysAddr{0xfed91000}));
    EXPECT_FALSE(c.accepts_uncontained(PhysAddr{0xfed90000}));
}

TEST(Parse, UnclaimedStreams) {
    EXPECT_FALSE(good("").bypasses_unclaimed("a"));
    EXPECT_TRUE(good("unclaimed bypass").bypasses_unclaimed("a"));
    EXPECT_TRUE(good("unclaimed bypass a").bypasses_unclaimed("a"));
    EXPECT_FALSE(good("unclaimed bypass a").bypasses_unclaimed("b"));
    EXPECT_FALSE(good("unclaimed bypass unclaimed block a").bypasses_unclaimed("a"));
    EXPECT_FALSE(good("unclaimed block unclaimed bypass a").bypasses_unclaimed("a"));
    EXPECT_TRUE(good("unclaimed block a unclaimed bypass a").bypasses_unclaimed("a"));
    EXPECT_TRUE(good("smmu armsmmu unit a 1000,1,2,1").bypasses_unclaimed("a"));
    EXPECT_FALSE(good("smmu armsmmu unit a 1000,1,2,1 unclaimed block").bypasses_unclaimed("a"));
}

TEST(Words, FilesAreSplicedWhereTheyStand) {
    const Files files{{"/etc/a.smmu", "\tdebug 1\r\n#debug 2\n@sub/b.smmu debug 2#end"},
                      {"/etc/sub/b.smmu", "@/etc/c.smmu"},
                      {"/etc/c.smmu", "allow\nname\n  1000,1\n"}};
    const Configuration c = good("exit block @/etc/a.smmu exit startup", files);
    EXPECT_EQ(c.debug.value, 2u);
    EXPECT_EQ(c.debug.origin->text, "/etc/a.smmu:3:13");
    EXPECT_EQ(c.allow_sets.at(0).windows.at(0).origin.text, "/etc/c.smmu:3:3");
    EXPECT_EQ(c.exit.value, ExitPolicy::startup);
}

TEST(Words, ArgumentsAreOneLine) {
    const FileReader none = [](const std::string&) -> Result<std::string> {
        return fail(ENOENT, "none");
    };
    const std::vector<std::string> arguments{"debug", "2", "exit", "block"};
    const ParseResult result = parse(arguments, none, Edition::plain);
    EXPECT_TRUE(result.errors.empty());
    EXPECT_EQ(result.configuration.exit.origin->text, "command line:1:9");
}

TEST(Options, TableIsComplete) {
    EXPECT_EQ(options().size(), 19u);
    for (const Option& option : options()) {
        EXPECT_EQ(find_option(option.word), &option);
        EXPECT_FALSE(option.meaning.empty());
        // A word of the table alone must never crash, whatever it expects.
        for (const ConfigError& error : parse_text(std::string(option.word)).errors)
            EXPECT_NE(error.line().find("expected"), std::string::npos) << error.line();
    }
    EXPECT_EQ(find_option("nonsense"), nullptr);
}

}  // namespace
}  // namespace smmu::config
