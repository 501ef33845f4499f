// SPDX-License-Identifier: Apache-2.0
// Translator: what a unit does with a request while it translates: root, context and PASID tables,
// the page walks, and the caches over all of them (VT-d 5.10, chapters 3, 6 and 9).
#pragma once

#include <expected>
#include <string>

#include "tests/models/vtd/model/caches.hpp"
#include "tests/models/common/model/complaints.hpp"
#include "tests/models/vtd/model/features.hpp"
#include "tests/models/common/model/memory.hpp"

namespace smmu::model::vtd {

// Translation table mode, in RTADDR.
enum class Mode : std::uint8_t { legacy = 0, scalable = 1, reserved = 2, abort = 3 };

class Translator {
public:
    struct Answer {
        Outcome outcome;
        std::optional<Fault> fault =
            std::nullopt;  // what is to be recorded; suppressed ones are not here
    };

    // `host_bits`: width of a physical address.
    Translator(const Features& features, unsigned host_bits, View& view, Complaints& complaints,
               std::string name)
        : features_(features),
          host_bits_(host_bits),
          view_(view),
          complaints_(complaints),
          name_(std::move(name)) {}

    void set_root(std::uint64_t root_address_register);
    Mode mode() const { return mode_; }
    Caches& caches() { return caches_; }

    Answer translate(const Request& request);

private:
    template <class T>
    using Found = std::expected<T, Fault>;

    void complain(std::string what) { complaints_.add(name_ + ": " + std::move(what)); }
    Answer refuse(Fault fault, bool disabled) const;
    std::uint64_t address_bits() const {
        return ((std::uint64_t{1} << host_bits_) - 1) & ~0xfffull;
    }
    // Bits that no table pointer of this machine may have.
    std::uint64_t beyond_host() const { return ((1ull << 52) - 1) & ~((1ull << host_bits_) - 1); }
    Found<std::uint64_t> fetch(std::uint64_t address, Fault refused);

    Context context(std::uint16_t source);
    Found<Context> walk_context(std::uint16_t source, bool& fault_disabled);
    Found<Context> legacy_context(std::uint64_t low, std::uint64_t high, bool& fault_disabled);
    Found<Context> scalable_context(std::uint64_t address, bool& fault_disabled);
    CachedSpace space(std::uint16_t source, const Context& context, std::uint32_t pasid);
    Found<Space> walk_space(const Context& context, std::uint32_t pasid, bool& fault_disabled);
    Found<Space> pasid_entry(std::uint64_t address, std::uint32_t pasid, bool& fault_disabled);
    void check_domain(const Space& space);

    std::optional<Fault> refuses_kind(const Request& request, const Context& context) const;
    Answer translate_in(const Request& request, const Space& space);
    Found<Leaf> walk(const Request& request, const Space& space);
    Found<Leaf> second_stage(const Space& space, std::uint64_t address);
    Found<Leaf> first_stage(const Space& space, const Request& request);
    // Where an address of the first stage (a table entry, a page) lies behind the second.
    Found<Leaf> behind_second(const Space& space, std::uint64_t address);
    bool reserved_second(std::uint64_t entry, unsigned level, bool is_leaf) const;
    bool reserved_first(std::uint64_t entry, unsigned level, bool is_leaf) const;
    Found<void> mark_used(const Space& space, std::uint64_t at, std::uint64_t& entry, bool is_leaf,
                          bool write);

    const Features& features_;
    unsigned host_bits_;
    View& view_;
    Complaints& complaints_;
    std::string name_;
    Mode mode_ = Mode::legacy;
    std::uint64_t root_ = 0;
    bool interrupt_bits_ = false;  // SSIRWE
    Caches caches_;
};

}  // namespace smmu::model::vtd
