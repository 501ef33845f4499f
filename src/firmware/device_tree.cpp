// SPDX-License-Identifier: Apache-2.0
#include "firmware/device_tree.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "firmware/flat_tree.hpp"
#include "firmware/tree_address.hpp"
#include "firmware/tree_families.hpp"
#include "firmware/tree_findings.hpp"
#include "firmware/tree_streams.hpp"

namespace smmu::firmware {
namespace {

using topology::Severity;
using Node = FlatTree::Node;

constexpr std::uint32_t largest_requester_id = 0xffff;
constexpr std::uint64_t bytes_of_a_bus = std::uint64_t{1} << 20;  // of ECAM

// Controllers of interrupts that no device may write to, their doorbells apart.
constexpr std::string_view interrupt_controllers[] = {"arm,gic-v3", "arm,gic-400", "arm,cortex-a15-gic", "arm,cortex-a9-gic",
    "arm,cortex-a7-gic", "arm,gic-v5*", "qcom,msm-qgic2", "sifive,plic*", "riscv,plic0", "riscv,aplic", "apple,aic*"};

bool is_one_of(const std::vector<std::string>& compatible, std::span<const std::string_view> patterns) {
    return std::ranges::any_of(compatible, [&](const std::string& name) {
        return std::ranges::any_of(patterns, [&](std::string_view pattern) { return matches(pattern, name); });
    });
}

class TreeParser {
public:
    explicit TreeParser(const FlatTree& tree) : tree_(tree), findings_(tree) {}
    DeviceTree read();

private:
    void check_node(Node node);
    void read_unit(Node node);
    void connect_main_units();
    void read_msi_controller(Node node);
    void read_memory(Node node);
    void read_reserved(Node node);
    void read_addresses(Node node, ReservedRegion& region);
    void read_host(Node node);
    void read_buses(Node node, PciHost& host);
    void number_segments();
    void find_window(Node node, PciHost& host);
    void read_master(Node node);
    std::vector<PhysRange> registers(Node node, Severity severity);
    std::vector<PowerDomain> power_domains(Node node) const;
    bool is_host(Node node) const;
    bool is_pci_bus(Node node) const;

    const FlatTree& tree_;
    DeviceTree facts_;
    TreeFindings findings_;
    TreeStreams::Index units_, msi_controllers_;
    std::map<Node, std::size_t> hosts_;
    std::optional<TreeStreams> streams_;
    std::size_t units_left_out_ = 0, masters_left_out_ = 0;
};

DeviceTree TreeParser::read() {
    const auto model = tree_.texts(FlatTree::root, "model");
    if (!model.empty()) facts_.model = model.front();
    facts_.reservations = tree_.reservations();
    const auto each = [&](auto read_one) {
        for (Node node = 0; node < tree_.size(); ++node) read_one(node);
    };
    each([&](Node node) { check_node(node); });
    each([&](Node node) { read_unit(node); });
    each([&](Node node) { read_msi_controller(node); });
    connect_main_units();
    streams_.emplace(tree_, facts_.units, units_, msi_controllers_, findings_);
    each([&](Node node) { read_host(node); });
    number_segments();
    each([&](Node node) { read_master(node); });
    each([&](Node node) { read_memory(node); });
    each([&](Node node) { read_reserved(node); });
    if (units_left_out_ != 0 || masters_left_out_ != 0)
        findings_.add("dtb-too-much", Severity::error, FlatTree::root,
                      fmt::format("{} units beyond {} and {} masters beyond {} are dropped; these masters stay blocked.",
                                  units_left_out_, most_tree_units, masters_left_out_, most_tree_masters));
    facts_.findings = findings_.take();
    return std::move(facts_);
}

void TreeParser::check_node(Node node) {
    for (const std::string_view name : {"status", "compatible"})
        if (!tree_.is_terminated(node, name))
            findings_.add("dtb-text-unterminated", Severity::warning, node,
                          fmt::format("{} has no terminating zero; it is read to its end.", name));
    const auto phandle = tree_.number(node, "phandle");
    const auto with_it = phandle ? tree_.phandles().find(*phandle) : tree_.phandles().end();
    if (with_it != tree_.phandles().end() && with_it->second.size() > 1 && with_it->second.front() == node)
        findings_.add("dtb-phandle-twice", Severity::error, node,
                      fmt::format("{} nodes have the phandle {:#x}, also {}; no reference to it is followed.",
                                  with_it->second.size(), *phandle, tree_.path(with_it->second.back())));
}

std::vector<PhysRange> TreeParser::registers(Node node, Severity severity) {
    TreeRegisters found = registers_of(tree_, node);
    if (!found.fault.empty())
        findings_.add("dtb-registers-bad", severity, node, fmt::format("Some of its registers are not known: {}.", found.fault));
    return std::move(found.ranges);
}

std::vector<PowerDomain> TreeParser::power_domains(Node node) const {
    const Cells cells = tree_.cells(node, "power-domains");
    std::vector<PowerDomain> domains;
    std::size_t i = 0;
    while (i < cells.size() && domains.size() < most_registers) {
        const auto controller = tree_.by_phandle(cells[i]);
        if (!controller) break;
        const std::uint32_t count = tree_.number(*controller, "#power-domain-cells").value_or(0);
        if (cells.size() - i - 1 < count) break;
        domains.push_back({tree_.path(*controller), count != 0 ? cells[i + 1] : 0});
        i += 1 + count;
    }
    return domains;
}

bool TreeParser::is_pci_bus(Node node) const {
    const auto type = tree_.texts(node, "device_type");
    return !type.empty() && type.front() == "pci";
}

// A host bridge, and not a bridge below one.
bool TreeParser::is_host(Node node) const {
    const auto above = tree_.parent(node);
    return is_pci_bus(node) && above && !is_pci_bus(*above);
}

void TreeParser::read_unit(Node node) {
    auto compatible = tree_.texts(node, "compatible");
    const auto family = family_of(compatible);
    const bool has_cells = tree_.has(node, "#iommu-cells");
    // virtio's transport carries any device; only a unit has cells for streams.
    if (!has_cells && (!family || family->name == "virtio-mmio" || family->kind == topology::UnitKind::unsupported)) return;
    if (facts_.units.size() == most_tree_units) {
        ++units_left_out_;
        return;
    }
    TreeUnit unit{.path = tree_.path(node),
                  .kind = family ? family->kind : topology::UnitKind::unsupported,
                  .family = family ? std::string(family->name) : "unknown",
                  .compatible = std::move(compatible),
                  .registers = {},
                  .enabled = tree_.enabled(node),
                  .coherent = tree_.has(node, "dma-coherent"),
                  .stream_cells = tree_.number(node, "#iommu-cells").value_or(0),
                  .stream_mask = tree_.number(node, "stream-match-mask").value_or(0),
                  .main_unit = {},
                  .main_number = {},
                  .power_domains = power_domains(node),
                  .origin = tree_.at(node)};
    const auto above = tree_.parent(node);
    const bool on_pci = above && is_pci_bus(*above);
    if (!on_pci) unit.registers = registers(node, Severity::error);
    if (!on_pci && unit.registers.empty() && unit.kind != topology::UnitKind::unsupported)
        findings_.add("dtb-unit-no-registers", Severity::error, node,
                      "A unit has no registers that the processors reach; describe it by hand with a unit line.");
    if (unit.stream_cells > most_stream_cells)
        findings_.add("dtb-unit-cells-bad", Severity::error, node,
                      fmt::format("A unit wants {} cells for a stream; no reference to it is followed.", unit.stream_cells));
    units_.emplace(node, facts_.units.size());
    facts_.units.push_back(std::move(unit));
}

// IPMMU caches know no tables of their own: a main unit walks for them.
void TreeParser::connect_main_units() {
    for (const auto& [node, index] : units_) {
        const Cells cells = tree_.cells(node, "renesas,ipmmu-main");
        if (cells.size() == 0) continue;
        const auto main = tree_.by_phandle(cells[0]);
        const auto at = main ? units_.find(*main) : units_.end();
        if (at == units_.end() || at->second == index) {
            findings_.add("dtb-ipmmu-main-bad", Severity::error, node, "renesas,ipmmu-main names no other unit.");
            continue;
        }
        facts_.units[index].main_unit = at->second;
        if (cells.size() > 1) facts_.units[index].main_number = cells[1];
    }
}

void TreeParser::read_msi_controller(Node node) {
    const auto compatible = tree_.texts(node, "compatible");
    if (is_one_of(compatible, interrupt_controllers))
        facts_.interrupt_controllers.push_back({tree_.path(node), registers(node, Severity::warning)});
    if (!tree_.has(node, "msi-controller")) return;
    const auto is = [&](std::string_view name) { return std::ranges::find(compatible, name) != compatible.end(); };
    const MsiKind kind = is("arm,gic-v2m-frame") ? MsiKind::gicv2m : is("arm,gic-v3-its") ? MsiKind::its : MsiKind::other;
    msi_controllers_.emplace(node, facts_.msi_controllers.size());
    facts_.msi_controllers.push_back({tree_.path(node), kind, registers(node, Severity::warning), tree_.at(node)});
}

void TreeParser::read_memory(Node node) {
    const auto type = tree_.texts(node, "device_type");
    if (type.empty() || type.front() != "memory" || !tree_.enabled(node)) return;
    std::ranges::copy(registers(node, Severity::warning), std::back_inserter(facts_.memory));
}

void TreeParser::read_reserved(Node node) {
    const auto above = tree_.parent(node);
    if (!above || tree_.path(*above) != "/reserved-memory") return;
    ReservedRegion region{.path = tree_.path(node),
                          .ranges = registers(node, Severity::warning),
                          .enabled = tree_.enabled(node),
                          .no_map = tree_.has(node, "no-map"),
                          .reusable = tree_.has(node, "reusable"),
                          .addresses = {},
                          .origin = tree_.at(node)};
    read_addresses(node, region);
    facts_.reserved.push_back(std::move(region));
}

void TreeParser::read_addresses(Node node, ReservedRegion& region) {
    const Cells cells = tree_.cells(node, "iommu-addresses");
    const auto stop = [&](std::string_view text) {
        findings_.add("dtb-iommu-addresses-bad", Severity::error, node,
                      fmt::format("{} What stands behind it is dropped; give the device a reserved clause if it needs it.", text));
    };
    std::size_t i = 0;
    while (i < cells.size() && region.addresses.size() < most_map_entries) {
        const auto device = tree_.by_phandle(cells[i]);
        const auto bus = device ? tree_.parent(*device) : std::nullopt;
        const auto count = bus ? bus_cells(tree_, *bus) : std::nullopt;
        if (!count) return stop("iommu-addresses names no device on a bus with addresses.");
        if (cells.size() - i - 1 < count->address + count->size) return stop("iommu-addresses ends inside an entry.");
        const auto first = cells.wide(i + 1, count->address);
        const auto length = cells.wide(i + 1 + count->address, count->size);
        const auto range = first && length ? IovaRange::from_length(Iova{*first}, *length) : std::nullopt;
        if (range)
            region.addresses.push_back({tree_.path(*device), *range});
        else
            stop("iommu-addresses has an entry that is empty or wraps.");
        i += 1 + count->address + count->size;
    }
    if (cells.ragged()) stop("iommu-addresses is no list of whole cells.");
}

void TreeParser::read_host(Node node) {
    if (!is_host(node)) return;
    if (facts_.hosts.size() == most_tree_units) {
        ++units_left_out_;
        return;
    }
    const auto compatible = tree_.texts(node, "compatible");
    PciHost host{.path = tree_.path(node),
                 .compatible = compatible.empty() ? "" : compatible.front(),
                 .segment_given = tree_.has(node, "linux,pci-domain"),
                 .window = {},
                 .registers = registers(node, Severity::warning),
                 .enabled = tree_.enabled(node),
                 .coherent = tree_.has(node, "dma-coherent"),
                 .translates_itself = tree_.has(node, "ats-supported"),
                 .maps = streams_->iommu_map(node, largest_requester_id).maps,
                 .map_mask = tree_.number(node, "iommu-map-mask").value_or(0xffffffff),
                 .msi_maps = streams_->msi_map(node),
                 .msi_map_mask = tree_.number(node, "msi-map-mask").value_or(0xffffffff),
                 .msi_controllers = streams_->msi_parents(node),
                 .origin = tree_.at(node)};
    const std::uint32_t segment = tree_.number(node, "linux,pci-domain").value_or(0);
    if (segment > 0xffff) {
        findings_.add("dtb-segment-bad", Severity::error, node,
                      fmt::format("The segment {:#x} is none; the host bridge is dropped.", segment));
        return;
    }
    host.segment = std::uint16_t(segment);
    read_buses(node, host);
    if (host.enabled) find_window(node, host);
    hosts_.emplace(node, facts_.hosts.size());
    facts_.hosts.push_back(std::move(host));
}

void TreeParser::read_buses(Node node, PciHost& host) {
    const Cells buses = tree_.cells(node, "bus-range");
    if (buses.size() == 0) return;
    if (buses.size() < 2 || buses[0] > buses[1] || buses[1] > 0xff) {
        findings_.add("dtb-bus-range-bad", Severity::warning, node, "bus-range is no range of buses; all are taken.");
        return;
    }
    host.first_bus = std::uint8_t(buses[0]);
    host.last_bus = std::uint8_t(buses[1]);
}

// The registers of an ECAM bridge are the configuration space of its buses, from its first one on.
void TreeParser::find_window(Node node, PciHost& host) {
    const auto compatible = tree_.texts(node, "compatible");
    if (std::ranges::find(compatible, "pci-host-ecam-generic") == compatible.end() || host.registers.empty()) return;
    const PhysRange& space = host.registers.front();
    const std::uint64_t buses = space.length() / bytes_of_a_bus;
    const std::uint64_t before = std::uint64_t{host.first_bus} * bytes_of_a_bus;
    if (buses == 0 || space.first.value % bytes_of_a_bus != 0 || space.first.value < before) {
        findings_.add("dtb-ecam-bad", Severity::error, node,
                      "Its configuration space does not lie at a megabyte or is too small; its functions cannot be found.");
        return;
    }
    const auto last = std::uint8_t(std::min<std::uint64_t>(host.last_bus, host.first_bus + (buses - 1)));
    host.window = ConfigWindow{space.first - before, host.segment, host.first_bus, last, host.origin};
}

// Bridges without a segment get the lowest ones that are free, in the order of the tree.
void TreeParser::number_segments() {
    std::set<std::uint16_t> taken;
    for (const PciHost& host : facts_.hosts)
        if (host.segment_given) taken.insert(host.segment);
    std::uint16_t next = 0;
    for (PciHost& host : facts_.hosts) {
        if (host.segment_given || !host.enabled) continue;
        while (taken.contains(next)) ++next;
        host.segment = next;
        taken.insert(next);
        if (host.window) host.window->segment = next;
    }
}

void TreeParser::read_master(Node node) {
    const bool has_map = tree_.has(node, "iommu-map") && !is_host(node);
    if (!tree_.has(node, "iommus") && !has_map) return;
    if (facts_.masters.size() == most_tree_masters) {
        ++masters_left_out_;
        return;
    }
    const auto compatible = tree_.texts(node, "compatible");
    auto streams = streams_->iommus(node);
    auto maps = has_map ? streams_->iommu_map(node, ~std::uint32_t{0}) : TreeStreams::Maps{};
    TreeMaster master{.path = tree_.path(node),
                      .compatible = compatible.empty() ? "" : compatible.front(),
                      .registers = {},
                      .enabled = tree_.enabled(node),
                      .coherent = tree_.has(node, "dma-coherent"),
                      .incomplete = !streams.complete || !maps.complete,
                      .streams = std::move(streams.streams),
                      .maps = std::move(maps.maps),
                      .msi_controllers = streams_->msi_parents(node),
                      .host = {},
                      .power_domains = power_domains(node),
                      .origin = tree_.at(node)};
    const auto above = tree_.parent(node);
    if (above && is_pci_bus(*above)) {
        const auto host = hosts_.find(*above);
        const auto address = tree_.number(node, "reg");
        if (host != hosts_.end() && address) {
            master.host = host->second;
            master.devfn = std::uint8_t(*address >> 8);
        }
    } else {
        master.registers = registers(node, Severity::note);
    }
    facts_.masters.push_back(std::move(master));
}

}  // namespace

Result<DeviceTree> parse_device_tree(std::span<const std::byte> bytes) {
    SMMU_TRY(const FlatTree tree, FlatTree::open(bytes));
    return TreeParser(tree).read();
}

}  // namespace smmu::firmware
