// SPDX-License-Identifier: Apache-2.0
// The referee in scalable mode: mistakes that legacy mode does not know, made by hand, are found; the
// right way is not complained about.
#include <gtest/gtest.h>

#include "tests/e2e/judges/vtd_referee.hpp"

namespace smmu::test::vtd {
namespace {

constexpr std::uint64_t root = 0x10000, contexts = 0x11000, directory = 0x12000, pasids = 0x13000,
                        other_directory = 0x14000, other_pasids = 0x15000;
constexpr std::uint64_t tables = 0x18000, other_tables = 0x1c000;  // four each, top first
constexpr std::uint64_t ring = 0x20000, status = 0x21000;
constexpr std::uint64_t source = 0x98;  // in the upper half of its bus
constexpr std::uint64_t domain = 5, other_domain = 6;

// As in legacy mode; SMTS, SMPWCS and either stage.
constexpr std::uint64_t cap = 6ull | 4ull << 8 | 3ull << 34 | 1ull << 39 | 18ull << 48 | 3ull << 54;
constexpr std::uint64_t ecap = 2 | 1ull << 43 | 1ull << 48;

class ScalableModel : public testing::TestWithParam<bool> {
protected:
    ScalableModel() : ram_(0x40000), referee_(Memory{ram_}, Capability{cap, ecap}, Registers{}) {
        put(root + 8, contexts | 1);
        put(context, directory | 1);
        put_space(directory, pasids, tables, domain, 0x30000);
        put_space(other_directory, other_pasids, other_tables, other_domain, 0x32000);
        registers_.iqa = ring | 0x800;
        write(0x90, registers_.iqa);
        command(Referee::queue);
        registers_.rtaddr = root | 0x400;
        write(0x20, registers_.rtaddr);
        command(Referee::set_root);
    }
    static constexpr std::uint64_t context = contexts + 32 * (source & 0x7f);
    bool first() const { return GetParam(); }
    std::uint64_t link() const { return first() ? 0x27 : 3; }
    std::uint64_t leaf() const { return first() ? 0x67 : 3; }

    void put(std::uint64_t at, std::uint64_t value) { std::memcpy(ram_.data() + at, &value, 8); }
    void put_space(std::uint64_t dir, std::uint64_t table, std::uint64_t top, std::uint64_t id,
                   std::uint64_t page) {
        put(dir, table | 1);
        put(table, first() ? 1 | 1 << 6 : top | 1 | 2 << 2 | 2 << 6);
        put(table + 8, id | 1 << 23);
        if (first()) put(table + 16, top);
        for (std::uint64_t level = 0; level < 3; ++level)
            put(top + 0x1000 * level, (top + 0x1000 * (level + 1)) | link());
        put(top + 0x3000, page | leaf());
    }
    void write(std::uint64_t offset, std::uint64_t value) {
        referee_.after_write({offset, offset == 0x18 ? 4u : 8u, value}, registers_);
    }
    void command(std::uint32_t bit) {
        const std::uint32_t value = (registers_.gsts & 0x96ffffffu) | bit;
        registers_.gsts |= bit;
        write(0x18, value);
    }
    using Descriptor = std::pair<std::uint64_t, std::uint64_t>;
    void submit(std::initializer_list<Descriptor> descriptors) {
        std::uint64_t at = registers_.iqt;
        for (const auto& [low, high] : descriptors) {
            put(ring + at, low);
            put(ring + at + 8, high);
            at = (at + 32) % 4096;
        }
        registers_.iqt = at;
        write(0x88, at);
    }
    static constexpr Descriptor wait{1ull << 32 | 0x25, status};
    static constexpr Descriptor all_contexts{0x11, 0}, all_pasids{0x37, 0},
        all_translations{0xd2, 0};
    static constexpr Descriptor contexts_of_device{0x31 | domain << 16 | source << 32, 0};
    static constexpr Descriptor pasids_of_domain{0x7 | domain << 16, 0};
    Descriptor translations_of_domain() const {
        return {(first() ? 0x26 : 0xe2) | domain << 16, 0};
    }
    Descriptor page() const { return {(first() ? 0x36 : 0xf2) | domain << 16, 0x40}; }
    void enable() {
        submit({all_contexts, all_pasids, all_translations, wait});
        command(Referee::translation);
        referee_.at_answer("ready");
        ASSERT_EQ(found(), "");
    }
    std::string found() const {
        std::string all;
        for (const std::string& finding : referee_.findings()) all += finding + "\n";
        return all;
    }
    void expect_found(const char* part) {
        EXPECT_NE(found().find(part), std::string::npos) << part << "\n" << found();
    }

    std::vector<std::byte> ram_;
    Registers registers_;
    Referee referee_;
};

TEST_P(ScalableModel, RightStartUnmapMoveAndReuse) {
    enable();
    put(tables + 0x3000, 0);
    submit({page(), wait});
    referee_.at_answer("unmap");
    put(context, other_directory | 1);
    submit({contexts_of_device, pasids_of_domain, translations_of_domain(), wait});
    referee_.at_answer("moved");
    put(directory, 0);
    put(pasids, 0x1234567);
    submit({wait});
    referee_.at_answer("frames used for something else");
    EXPECT_EQ(found(), "");
}
TEST_P(ScalableModel, EnabledWithoutForgettingPasids) {
    submit({all_contexts, all_translations, wait});
    command(Referee::translation);
    expect_found("enabled before the caches were invalidated");
}
TEST_P(ScalableModel, MovedWithoutForgettingPasids) {
    enable();
    put(context, other_directory | 1);
    submit({contexts_of_device, translations_of_domain(), wait});
    referee_.at_answer("moved");
    expect_found("PASID entries, first: context of 0x0098");
}
TEST_P(ScalableModel, PasidsForgottenBeforeTheContext) {
    enable();
    put(context, other_directory | 1);
    submit({pasids_of_domain, contexts_of_device, translations_of_domain(), wait});
    referee_.at_answer("moved");
    expect_found("PASID entries, first");
}
TEST_P(ScalableModel, ContextsOfADomainForgetNothing) {
    enable();
    put(context, other_directory | 1);
    submit({{0x21 | domain << 16, 0}, pasids_of_domain, translations_of_domain(), wait});
    referee_.at_answer("moved");
    expect_found("contexts, first: context of 0x0098");
}
TEST_P(ScalableModel, DirectoryUsedAnewTooEarly) {
    enable();
    put(context, other_directory | 1);
    submit({});
    put(directory, other_pasids | 1);
    submit({wait});
    expect_found("PASID tables are used anew");
}
TEST_P(ScalableModel, TranslationsOfTheOtherStage) {
    enable();
    put(tables + 0x3000, 0);
    submit({{(first() ? 0xe2 : 0x26) | domain << 16, 0}, wait});
    referee_.at_answer("unmap");
    expect_found("may still be cached: 1 translations");
}
TEST_P(ScalableModel, OpenContexts) {
    enable();
    for (const unsigned bit : {2u, 3u, 4u, 9u}) {
        put(context + 32, directory | 1 | 1ull << bit);
        submit({wait});
        expect_found("lets more than requests without a PASID pass");
    }
    put(context + 32, directory | 1);
    put(context + 40, 7);
    submit({wait});
    expect_found("more than a directory");
}
TEST_P(ScalableModel, OpenPasidEntries) {
    enable();
    put(pasids + 64, 1);
    submit({wait});
    expect_found("PASIDs other than 0");
    put(directory + 8, 1);
    submit({wait});
    expect_found("not one PASID table");
    put(pasids, 1 | 2 << 2 | 4 << 6);
    submit({wait});
    expect_found("does not translate");
    put(pasids + 8, domain);
    submit({wait});
    expect_found("no snooping");
}
TEST_P(ScalableModel, TablesThatHardwareWouldHaveToWrite) {
    enable();
    put(tables + 0x3008, 0x31000 | (first() ? 0x47 : 0x800 | 3));
    submit({wait});
    expect_found("entry 1 of level 1 table");
}
TEST_P(ScalableModel, ModeChangedWhileTranslating) {
    enable();
    registers_.rtaddr = root;
    write(0x20, root);
    command(Referee::set_root);
    expect_found("the table mode changes while translating");
}
TEST_P(ScalableModel, MisalignedTailAndFullerDescriptors) {
    enable();
    put(ring + registers_.iqt + 16, 1);
    submit({wait});
    expect_found("a wide descriptor with more in it");
    write(0x88, registers_.iqt + 16);
    expect_found("not in the ring");
}

INSTANTIATE_TEST_SUITE_P(Stages, ScalableModel, testing::Bool(), [](const auto& tested) {
    return std::string(tested.param ? "First" : "Second");
});

}  // namespace
}  // namespace smmu::test::vtd
