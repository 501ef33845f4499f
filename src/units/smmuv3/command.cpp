// SPDX-License-Identifier: Apache-2.0
#include "units/smmuv3/command.hpp"

#include <algorithm>
#include <bit>

namespace smmu::units::smmuv3 {
namespace {

using hw::Field;
using hw::Register;

struct Low : Register<std::uint64_t, 0> {
    static constexpr Field<Low> opcode{"Opcode", 7, 0};
    static constexpr Field<Low> count{"NUM", 16, 12};
    static constexpr Field<Low> scale{"SCALE", 24, 20};
    static constexpr Field<Low> tag_or_stream_low{"VMID/StreamID[15:0]", 47, 32};
    static constexpr Field<Low> asid_or_stream_high{"ASID/StreamID[31:16]", 63, 48};
    static constexpr auto fields = hw::list(opcode, count, scale, tag_or_stream_low, asid_or_stream_high);
};
struct High : Register<std::uint64_t, 8> {
    static constexpr Field<High> leaf{"Leaf", 0};
    static constexpr Field<High> granule{"TG", 11, 10};
    static constexpr Field<High> address{"Address", 63, 12};
    static constexpr auto fields = hw::list(leaf, granule, address);
};

static_assert(hw::is_sound<Low>() && hw::is_sound<High>());

constexpr std::uint64_t cfgi_ste = 0x03, cfgi_ste_range = 0x04, cfgi_cd_all = 0x06, tlbi_nh_asid = 0x11, tlbi_nh_va = 0x12,
                        tlbi_el2_all = 0x20, tlbi_s12_vmall = 0x28, tlbi_s2_ipa = 0x2a, tlbi_nsnh_all = 0x30, cmd_sync = 0x46;
constexpr std::uint64_t all_streams = 31;  // CFGI_STE_RANGE with this Range is CFGI_ALL
constexpr std::uint64_t most_count = 31, most_scale = 31;

// TG: 1, 2, 3 for pages of 4, 16, 64 KiB.
std::uint64_t granule_code(const Features& features) { return (features.granule_log2 - 10) / 2; }

Command about(StreamId stream, std::uint64_t opcode, bool leaf) {
    const auto low = Low::opcode.of(opcode) | Low::tag_or_stream_low.of(raw(stream) & 0xffff) |
                     Low::asid_or_stream_high.of(raw(stream) >> 16);
    return {low.raw(), High::leaf.of(leaf ? 1 : 0).raw()};
}

// Stage 1 caches are tagged by an ASID under VMID 0, stage 2 caches by the VMID.
hw::Bits<Low> tagged(std::uint16_t tag, const Features& features) {
    return features.stage == Stage::second ? Low::tag_or_stream_low.of(tag) : Low::asid_or_stream_high.of(tag);
}

class PageCommands {
public:
    PageCommands(std::uint16_t tag, bool leaf_only, const Features& features) : leaf_only_(leaf_only), features_(features) {
        low_ = tagged(tag, features) | Low::opcode.of(features.stage == Stage::second ? tlbi_s2_ipa : tlbi_nh_va);
    }

    // False when these are too many.
    bool add(std::uint64_t page, std::uint64_t pages) {
        if (!features_.range_invalidation && pages > single_page_limit - std::min(single_page_limit, commands.size()))
            return false;
        while (pages != 0) {
            const std::uint64_t done = features_.range_invalidation ? add_range(page, pages) : add_one(page);
            page += done;
            pages -= done;
        }
        return true;
    }

    std::vector<Command> commands;

private:
    hw::Bits<High> high(std::uint64_t page) const {
        return High::address.of_address(page << features_.granule_log2) | High::leaf.of(leaf_only_ ? 1 : 0);
    }
    std::uint64_t add_one(std::uint64_t page) {
        commands.push_back({low_.raw(), high(page).raw()});
        return 1;
    }
    // Granule with neither count nor scale means something else: one page is said without a granule.
    std::uint64_t add_range(std::uint64_t page, std::uint64_t pages) {
        const std::uint64_t scale = std::min<std::uint64_t>(std::uint64_t(std::countr_zero(pages)), most_scale);
        const std::uint64_t count = std::min((pages >> scale) & most_count, most_count);
        if (scale == 0 && count == 1) return add_one(page);
        commands.push_back({(low_ | Low::count.of(count - 1) | Low::scale.of(scale)).raw(),
                            (high(page) | High::granule.of(granule_code(features_))).raw()});
        return count << scale;
    }

    bool leaf_only_;
    const Features& features_;
    hw::Bits<Low> low_;
};

}  // namespace

Command Command::entry_of(StreamId stream) { return about(stream, cfgi_ste, true); }
Command Command::path_of(StreamId stream) { return about(stream, cfgi_ste, false); }
Command Command::context_of(StreamId stream) { return about(stream, cfgi_cd_all, false); }
Command Command::all_entries() { return {Low::opcode(cfgi_ste_range).raw(), all_streams}; }
Command Command::all_translations() { return {Low::opcode(tlbi_nsnh_all).raw(), 0}; }
Command Command::all_hypervisor_translations() { return {Low::opcode(tlbi_el2_all).raw(), 0}; }
Command Command::sync() { return {Low::opcode(cmd_sync).raw(), 0}; }

Command Command::translations_of(std::uint16_t tag, const Features& features) {
    const std::uint64_t opcode = features.stage == Stage::second ? tlbi_s12_vmall : tlbi_nh_asid;
    return {(tagged(tag, features) | Low::opcode.of(opcode)).raw(), 0};
}

std::vector<Command> commands_for(std::span<const IovaRange> ranges, std::uint16_t tag, bool leaf_only,
                                  const Features& features) {
    PageCommands pages(tag, leaf_only, features);
    for (const IovaRange& range : ranges) {
        const std::uint64_t first = range.first.value >> features.granule_log2;
        const std::uint64_t last = range.last.value >> features.granule_log2;
        if (!pages.add(first, last - first + 1)) return {Command::translations_of(tag, features)};
    }
    return std::move(pages.commands);
}

}  // namespace smmu::units::smmuv3
