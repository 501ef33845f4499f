// SPDX-License-Identifier: Apache-2.0
// Draft: the topology while it is being put together, and the steps that do it. Only this room
// includes it.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "firmware/device_tree.hpp"
#include "firmware/dmar.hpp"
#include "firmware/iort.hpp"
#include "firmware/madt.hpp"
#include "firmware/mcfg.hpp"
#include "survey/device_tree_streams.hpp"
#include "survey/device_tree_units.hpp"
#include "survey/scope_map.hpp"
#include "survey/survey.hpp"

namespace smmu::survey {

inline constexpr std::uint64_t page_bytes = 4096;

// The device tree that counts; nullptr when there is none, or when there are tables that describe units.
const Table* device_tree_of(const std::vector<Table>& tables);

class Draft {
public:
    explicit Draft(const Input& input) : input_(input), user_(input.configuration), ram_(input.ram) {}

    topology::Topology take();

private:
    // kernel_kept.cpp: where the kernel keeps the units, its word is all there is
    topology::Topology take_kernel_kept();
    void form_kernel_groups();
    // draft.cpp: what firmware says, units and protected memory
    void read_tables();
    void read_mcfg();
    void read_dmar();
    void read_iort();
    void read_madt();
    void add_firmware_units();
    void add_vtd_units();
    void check_units();
    void add_protected();
    PhysRange registers_at(PhysAddr base, std::uint64_t at_least) const;
    // smmu_units.cpp
    void add_smmu_units();
    bool join_twin(std::size_t index, topology::UnitKind kind);
    // user_units.cpp
    void add_user_units();
    void add_user_unit(const config::UnitEntry& entry);
    void add_main_unit(const config::SupportModule& module);
    void add_cache_unit(const config::UnitEntry& entry);
    topology::Unit* unit_at(PhysAddr base);
    // devices.cpp: devices, their streams and registers
    void list_devices();
    void add_pci_devices();
    void add_named_devices();
    void add_components();  // components.cpp, as all that speaks of components
    void settle_components();
    struct ByHand {
        topology::Device* device;
        topology::Origin origin;
    };
    std::map<std::pair<std::uint32_t, std::uint32_t>, ByHand> streams_by_hand();  // by unit and stream
    void report_component(const topology::Device& device);
    std::vector<topology::Stream> component_streams(const topology::AcpiName& name) const;
    void add_user_devices();
    void give_streams(topology::Device& device);
    std::vector<topology::Stream> board_streams(const topology::Device& device) const;
    std::vector<topology::Stream> mapped_streams(const topology::PciAddress& address) const;
    std::vector<topology::Stream> user_streams(const topology::Device& device,
                                               const config::DeviceEntry& entry);
    std::vector<topology::Stream> streams_of(const topology::Device& device,
                                             const config::UseClause& use);
    void combine_streams(topology::Device& device, std::vector<topology::Stream> board,
                         std::vector<topology::Stream> user);
    void check_contradiction(const topology::Device& device,
                             const std::vector<topology::Stream>& board,
                             const std::vector<topology::Stream>& user);
    void withhold_reserved_streams();
    void report_unclaimed_devices();
    void report_ports();
    // memory.cpp: what devices must or may always reach
    void add_reserved();
    void add_reserved_region(const PhysRange& range, const topology::Origin& origin, const std::function<bool(const topology::Device&)>& has_it);
    void add_reserved_of(const firmware::IortNode& node);
    bool is_named(const firmware::Rmrr& region, const topology::Device& device) const;
    bool give_reserved(topology::Device& device, const topology::Grant& grant);
    struct ClosedRegion {
        PhysRange range;
        std::string why;
        topology::Origin origin;
        std::vector<topology::DeviceId> devices;  // for which it stays closed, and nobody has decided so
    };
    void report_closed(const ClosedRegion& region);
    std::vector<std::string> clauses_that_open(const PhysRange& range, const topology::Device& device) const;
    std::string why_not_honoured(const PhysRange& range) const;
    const topology::Protected* protected_part(const PhysRange& range) const;
    // doorbells.cpp: where devices write their interrupt messages
    void add_doorbells();
    void add_doorbells(topology::Device& device, std::vector<topology::Grant> bells);
    bool is_doorbell(const PhysRange& frame) const;
    bool meets_a_device(const PhysRange& frame) const;
    std::vector<topology::Grant> table_doorbells(const topology::PciAddress& address) const;
    // memory.cpp
    void add_user_memory();
    void add_startup(topology::Device& device, const config::DeviceEntry& entry);

    // device_tree_survey.cpp: what a device tree adds to each of these
    struct TreeBlock {
        std::size_t device;  // index, while devices are listed
        bool contained;
        std::vector<topology::Stream> streams;
        std::vector<std::size_t> msi_controllers;
    };
    void read_device_tree();
    void add_tree_units();
    void report_tree_unit(std::size_t index);
    void report_unread_tree();
    topology::DeviceId tree_device_id(const PhysRange& registers) const;
    void add_tree_devices();
    void add_tree_master(const firmware::TreeMaster& master);
    void add_tree_host(const firmware::PciHost& host);
    TreeBlock& add_tree_block(topology::Device block, const std::vector<PhysRange>& registers, std::vector<topology::Stream> streams);
    std::vector<topology::Stream> tree_streams(const topology::Device& device) const;
    // device_tree_memory.cpp
    void set_tree_memory_aside();
    void add_tree_protected();
    bool opens_unknown_streams(std::size_t tree_unit) const;
    void add_tree_doorbells();
    void give_tree_doorbells(topology::Device& device, const std::vector<std::size_t>& controllers);
    void add_tree_memory();
    void add_tree_region(const firmware::ReservedRegion& region, const firmware::DeviceAddresses& addresses);

    void finding(std::string_view id, topology::Severity severity, topology::Origin origin,
                 std::string text) {
        topology_.findings.push_back(
            {std::string(id), severity, std::move(origin), std::move(text)});
    }
    void misconfigured(std::string_view id, topology::Origin origin, std::string text) {
        finding(id, topology::Severity::error, std::move(origin), std::move(text));
        topology_.findings.back().in_configuration = true;
    }
    topology::Device* find_device(const topology::DeviceId& id);
    std::optional<UnitId> find_unit(std::string_view name) const;
    std::optional<topology::Stream> first_micro_tlb(std::string_view name) const;
    std::string unit_names() const;  // "vtd@fed90000, dmar1"
    bool merging() const { return user_.combine.value == config::Combine::merge; }
    bool described_by_hand() const;
    void forgive_tables();

    const Input& input_;
    const config::Configuration& user_;
    topology::Topology topology_;
    std::optional<firmware::Dmar> dmar_;
    firmware::Mcfg mcfg_;
    std::vector<UnitId> drhd_units_;  // unit of dmar_->units[i]
    std::optional<firmware::Iort> iort_;
    std::map<std::size_t, UnitId> smmu_units_;  // unit of iort_->nodes[i]
    firmware::Madt madt_;
    std::optional<ScopeMap> scopes_;
    std::vector<PhysRange> ram_;  // plain memory: without what a device tree sets aside
    std::optional<firmware::DeviceTree> tree_;
    std::vector<std::optional<DeviceTreeUnits::Place>> tree_places_;  // of tree_->units[i]
    std::optional<DeviceTreeStreams> tree_streams_;
    std::map<topology::DeviceId, TreeBlock> tree_blocks_;
    std::vector<std::optional<topology::Grant>> tree_doorbells_;  // of tree_->msi_controllers[i]
    std::map<std::string, std::vector<topology::DeviceId>> tree_devices_;  // by the path of a master or host bridge
    std::vector<std::string> nameless_;  // paths of masters without registers
    std::vector<ClosedRegion> closed_regions_;
};

}  // namespace smmu::survey
