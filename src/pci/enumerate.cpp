// SPDX-License-Identifier: Apache-2.0
#include "pci/enumerate.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "pci/config_space.hpp"
#include "pci/function_reader.hpp"

namespace smmu::pci {
namespace {

using topology::PciAddress;
using topology::PciFunction;
using topology::Severity;

constexpr std::size_t slots_per_bus = 32;
constexpr std::size_t probe_batch = 1024;  // functions asked for in one trip

class Enumeration {
public:
    explicit Enumeration(platform::PciConfig& config) : config_(config) {}

    void scan(std::uint16_t segment, std::uint8_t first_bus, std::uint8_t last_bus);
    topology::PciTree finish();

private:
    void probe(std::span<const platform::PciFunction> slots);
    void take(const PciAddress& address);
    void follow_chains();
    void check_bridges();
    void bound_registers();
    std::uint64_t last_of(const FunctionFacts& facts, const Bar& bar,
                          std::span<const std::uint64_t> bases) const;
    void finding(std::string_view id, const PciAddress& at, std::string text) {
        findings_.push_back(
            {std::string(id), Severity::warning, {"PCI " + to_string(at)}, std::move(text)});
    }

    platform::PciConfig& config_;
    std::vector<FunctionFacts> facts_;
    std::vector<topology::Finding> findings_;
    bool full_ = false;
};

// Every bus is looked at, not only those that bridges name: root buses besides bus 0 are named
// nowhere in configuration space, and a bridge with wrong numbers can neither hide a bus nor lead
// into a loop.
void Enumeration::scan(std::uint16_t segment, std::uint8_t first_bus, std::uint8_t last_bus) {
    std::vector<platform::PciFunction> slots;
    for (unsigned bus = first_bus; bus <= last_bus; ++bus) {
        for (std::size_t slot = 0; slot < slots_per_bus; ++slot)
            slots.push_back({segment, std::uint8_t(bus), std::uint8_t(slot << 3)});
        if (slots.size() >= probe_batch || bus == last_bus) {
            probe(slots);
            slots.clear();
        }
    }
}

// The further functions of devices that have several are asked for in one trip, too.
void Enumeration::probe(std::span<const platform::PciFunction> slots) {
    std::vector<std::uint32_t> ids(slots.size());
    config_.read(slots, offset::id, ids);
    std::vector<platform::PciFunction> further;
    for (std::size_t i = 0; i < slots.size(); ++i) {
        if (ids[i] == absent || ids[i] == 0 || std::uint16_t(ids[i]) == 0xffff) continue;
        const auto [segment, bus, devfn] = slots[i];
        const std::size_t before = facts_.size();
        take({segment, bus, std::uint8_t(devfn >> 3), std::uint8_t(devfn & 7)});
        const bool has_further =
            (devfn & 7) == 0 && facts_.size() != before && facts_.back().function.multifunction;
        for (unsigned function = 1; has_further && function < 8; ++function)
            further.push_back({segment, bus, std::uint8_t(devfn | function)});
    }
    if (!further.empty()) probe(further);
}

void Enumeration::take(const PciAddress& address) {
    if (facts_.size() == most_functions) {
        if (!full_)
            finding("pci-too-many-functions", address,
                    fmt::format(
                        "More than {} functions answer; this one and all later ones are left out.",
                        most_functions));
        full_ = true;
        return;
    }
    if (auto facts = read_function(config_, address)) facts_.push_back(std::move(*facts));
}

// The functions beyond the first eight of a device with alternative routing. Numbers go up along the chain, so that one
// that leads back ends.
void Enumeration::follow_chains() {
    for (std::size_t i = 0; i < facts_.size(); ++i) {
        const FunctionFacts& facts = facts_[i];
        const std::uint8_t next = facts.next_function;
        const PciAddress& address = facts.function.address;
        if (next <= address.devfn()) continue;
        const PciAddress following{address.segment, address.bus, std::uint8_t(next >> 3), std::uint8_t(next & 7)};
        facts_[i].function.alternative_routing = true;
        const auto known = std::ranges::find(
            facts_, following, [](const FunctionFacts& other) { return other.function.address; });
        if (known == facts_.end()) {
            const std::size_t before = facts_.size();
            take(following);
            if (facts_.size() != before) facts_.back().function.alternative_routing = true;
        } else {
            known->function.alternative_routing = true;
        }
    }
}

// Bus numbers of bridges are foreign data. One that does not lead strictly down leads nowhere for
// us, and of two that claim a bus the first has it: so going up from any bus ends at a root.
void Enumeration::check_bridges() {
    std::vector<const PciFunction*> sound;
    for (FunctionFacts& facts : facts_) {
        PciFunction& bridge = facts.function;
        if (!bridge.is_bridge || bridge.secondary == 0) continue;
        const auto claims_same = [&](const PciFunction* other) {
            return other->address.segment == bridge.address.segment &&
                   other->secondary == bridge.secondary;
        };
        const auto twin = std::ranges::find_if(sound, claims_same);
        if (bridge.secondary <= bridge.address.bus || bridge.subordinate < bridge.secondary) {
            finding("pci-bridge-numbers", bridge.address,
                    fmt::format("The bridge's bus numbers {:02x} to {:02x} do not lead down from "
                                "bus {:02x}; what may "
                                "be behind it is treated as if on a root bus.",
                                bridge.secondary, bridge.subordinate, bridge.address.bus));
            bridge.secondary = bridge.subordinate = 0;
        } else if (twin != sound.end()) {
            finding("pci-bus-claimed-twice", bridge.address,
                    fmt::format("Bus {:02x} is also claimed by the bridge {}, which keeps it.",
                                bridge.secondary, to_string((*twin)->address)));
            bridge.secondary = bridge.subordinate = 0;
        } else {
            sound.push_back(&bridge);
        }
    }
}

// The last byte at which a BAR can answer: its natural alignment, the next decoding BAR, the
// windows of the bridge above and 4 GiB for a BAR of 32 bits all bound it.
std::uint64_t Enumeration::last_of(const FunctionFacts& facts, const Bar& bar,
                                   std::span<const std::uint64_t> bases) const {
    const std::uint64_t alignment = std::uint64_t{1} << std::countr_zero(bar.base);
    std::uint64_t last = bar.base + (alignment - 1);
    if (!bar.wide) last = std::min<std::uint64_t>(last, 0xffffffff);
    const auto next = std::ranges::upper_bound(bases, bar.base);
    if (next != bases.end()) last = std::min(last, *next - 1);
    for (const FunctionFacts& other : facts_) {
        const bool above = other.function.secondary == facts.function.address.bus &&
                           other.function.address.segment == facts.function.address.segment &&
                           other.function.secondary != 0;
        if (!above) continue;
        for (const BridgeWindow& window : other.windows)
            if (window.range.contains(PhysAddr{bar.base}))
                last = std::min(last, window.range.last.value);
    }
    return last;
}

void Enumeration::bound_registers() {
    std::vector<std::uint64_t> bases;
    for (const FunctionFacts& facts : facts_)
        if (facts.function.memory_decode)
            for (const Bar& bar : facts.bars) bases.push_back(bar.base);
    std::ranges::sort(bases);
    for (FunctionFacts& facts : facts_)
        for (const Bar& bar : facts.bars)
            facts.function.registers.push_back(
                {PhysAddr{bar.base}, PhysAddr{last_of(facts, bar, bases)}});
}

topology::PciTree Enumeration::finish() {
    follow_chains();
    std::ranges::sort(facts_, {},
                      [](const FunctionFacts& facts) { return facts.function.address; });
    const auto repeated = std::ranges::unique(
        facts_, {}, [](const FunctionFacts& facts) { return facts.function.address; });
    facts_.erase(repeated.begin(), repeated.end());
    check_bridges();
    bound_registers();
    topology::PciTree tree;
    for (FunctionFacts& facts : facts_) tree.functions.push_back(std::move(facts.function));
    tree.findings = std::move(findings_);
    return tree;
}

}  // namespace

Result<topology::PciTree> enumerate(platform::PciConfig& config,
                                    std::span<const platform::EcamWindow> windows) {
    Enumeration enumeration(config);
    for (const platform::EcamWindow& window : windows) {
        if (window.first_bus > window.last_bus)
            return fail(
                EINVAL,
                fmt::format(
                    "PCI segment {}: the first bus {:02x} lies behind the last, {:02x}; correct "
                    "the MCFG table's entry",
                    window.segment, window.first_bus, window.last_bus));
        enumeration.scan(window.segment, window.first_bus, window.last_bus);
    }
    if (windows.empty()) enumeration.scan(0, 0, 255);
    return enumeration.finish();
}

}  // namespace smmu::pci
