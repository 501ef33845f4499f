// SPDX-License-Identifier: Apache-2.0
// The registers of a VT-d remapping unit that this driver uses. Names in quotes are the manual's.
#pragma once

#include "hw/register.hpp"

namespace smmu::units::vtd {

using hw::Field;
using hw::Register;

struct Version : Register<std::uint32_t, 0x000> {
    static constexpr const char* name = "VER";
    static constexpr Field<Version> major{"MAX", 7, 4};
    static constexpr Field<Version> minor{"MIN", 3, 0};
    static constexpr auto fields = hw::list(major, minor);
};

struct Capability : Register<std::uint64_t, 0x008> {
    static constexpr const char* name = "CAP";
    static constexpr Field<Capability> srtp_invalidates{"ESRTPS", 63};
    static constexpr Field<Capability> sirtp_invalidates{"ESIRTPS", 62};
    static constexpr Field<Capability> enhanced_commands{"ECMDS", 61};
    static constexpr Field<Capability> first_stage_5_levels{"FS5LP", 60};
    static constexpr Field<Capability> first_stage_gigabytes{"FS1GP", 56};
    static constexpr Field<Capability> drains_reads{"DRD", 55};
    static constexpr Field<Capability> drains_writes{"DWD", 54};
    static constexpr Field<Capability> largest_address_mask{"MAMV", 53, 48};
    static constexpr Field<Capability> fault_records_less_one{"NFR", 47, 40};
    static constexpr Field<Capability> page_selective{"PSI", 39};
    static constexpr Field<Capability> large_pages{"SLLPS", 37, 34};
    static constexpr Field<Capability> fault_records_at{"FRO", 33, 24};
    static constexpr Field<Capability> zero_length_reads{"ZLR", 22};
    static constexpr Field<Capability> guest_width_less_one{"MGAW", 21, 16};
    static constexpr Field<Capability> guest_widths{"SAGAW", 12, 8};
    static constexpr Field<Capability> caching_mode{"CM", 7};
    static constexpr Field<Capability> protected_high{"PHMR", 6};
    static constexpr Field<Capability> protected_low{"PLMR", 5};
    static constexpr Field<Capability> write_buffer_flush{"RWBF", 4};
    static constexpr Field<Capability> domains{"ND", 2, 0};
    static constexpr auto fields = hw::list(
        srtp_invalidates, sirtp_invalidates, enhanced_commands, first_stage_5_levels,
        first_stage_gigabytes, drains_reads, drains_writes, largest_address_mask, fault_records_less_one, page_selective, large_pages,
        fault_records_at, zero_length_reads, guest_width_less_one, guest_widths, caching_mode,
        protected_high, protected_low, write_buffer_flush, domains);
};

struct ExtendedCapability : Register<std::uint64_t, 0x010> {
    static constexpr const char* name = "ECAP";
    static constexpr Field<ExtendedCapability> abort_mode{"ADMS", 52};
    static constexpr Field<ExtendedCapability> scalable_walks_snoop{"SMPWCS", 48};
    static constexpr Field<ExtendedCapability> first_stage{"FSTS", 47};
    static constexpr Field<ExtendedCapability> second_stage{"SSTS", 46};
    static constexpr Field<ExtendedCapability> scalable_mode{"SMTS", 43};
    static constexpr Field<ExtendedCapability> invalidation_registers_at{"IRO", 17, 8};
    static constexpr Field<ExtendedCapability> snoop_control{"SC", 7};
    static constexpr Field<ExtendedCapability> pass_through{"PT", 6};
    static constexpr Field<ExtendedCapability> extended_interrupts{"EIM", 4};
    static constexpr Field<ExtendedCapability> interrupt_remapping{"IR", 3};
    static constexpr Field<ExtendedCapability> device_caches{"DT", 2};
    static constexpr Field<ExtendedCapability> queued_invalidation{"QI", 1};
    static constexpr Field<ExtendedCapability> coherent{"C", 0};
    static constexpr auto fields = hw::list(
        abort_mode, scalable_walks_snoop, first_stage, second_stage, scalable_mode,
        invalidation_registers_at, snoop_control, pass_through, extended_interrupts,
        interrupt_remapping, device_caches, queued_invalidation, coherent);
};

struct GlobalCommand : Register<std::uint32_t, 0x018> {
    static constexpr const char* name = "GCMD";
    static constexpr Field<GlobalCommand> translation{"TE", 31};
    static constexpr Field<GlobalCommand> set_root{"SRTP", 30};
    static constexpr Field<GlobalCommand> flush_write_buffer{"WBF", 27};
    static constexpr Field<GlobalCommand> queued_invalidation{"QIE", 26};
    static constexpr auto fields =
        hw::list(translation, set_root, flush_write_buffer, queued_invalidation);
};

struct GlobalStatus : Register<std::uint32_t, 0x01c> {
    static constexpr const char* name = "GSTS";
    static constexpr Field<GlobalStatus> translation{"TES", 31};
    static constexpr Field<GlobalStatus> root_set{"RTPS", 30};
    static constexpr Field<GlobalStatus> write_buffer_flushing{"WBFS", 27};
    static constexpr Field<GlobalStatus> queued_invalidation{"QIES", 26};
    static constexpr Field<GlobalStatus> interrupt_remapping{"IRES", 25};
    static constexpr Field<GlobalStatus> interrupt_table_set{"IRTPS", 24};
    static constexpr Field<GlobalStatus> compatibility_interrupts{"CFIS", 23};
    static constexpr auto fields =
        hw::list(translation, root_set, write_buffer_flushing, queued_invalidation,
                 interrupt_remapping, interrupt_table_set, compatibility_interrupts);
};

struct RootTable : Register<std::uint64_t, 0x020> {
    static constexpr const char* name = "RTADDR";
    static constexpr Field<RootTable> address{"RTA", 63, 12};
    static constexpr Field<RootTable> mode{"TTM", 11, 10};  // 0 legacy, 1 scalable, 3 abort
    static constexpr auto fields = hw::list(address, mode);
};

struct ContextCommand : Register<std::uint64_t, 0x028> {
    static constexpr const char* name = "CCMD";
    static constexpr Field<ContextCommand> busy{"ICC", 63};
    static constexpr Field<ContextCommand> granularity{"CIRG", 62, 61};
    static constexpr Field<ContextCommand> actual{"CAIG", 60, 59};
    static constexpr Field<ContextCommand> function_mask{"FM", 33, 32};
    static constexpr Field<ContextCommand> source{"SID", 31, 16};
    static constexpr Field<ContextCommand> domain{"DID", 15, 0};
    static constexpr auto fields =
        hw::list(busy, granularity, actual, function_mask, source, domain);
};

struct FaultStatus : Register<std::uint32_t, 0x034> {
    static constexpr const char* name = "FSTS";
    static constexpr Field<FaultStatus> first_record{"FRI", 15, 8};
    static constexpr Field<FaultStatus> queue_timeout{"ITE", 6};
    static constexpr Field<FaultStatus> queue_completion{"ICE", 5};
    static constexpr Field<FaultStatus> queue_error{"IQE", 4};
    static constexpr Field<FaultStatus> pending{"PPF", 1};
    static constexpr Field<FaultStatus> overflow{"PFO", 0};
    static constexpr auto fields =
        hw::list(first_record, queue_timeout, queue_completion, queue_error, pending, overflow);
};

struct FaultEventControl : Register<std::uint32_t, 0x038> {
    static constexpr const char* name = "FECTL";
    static constexpr Field<FaultEventControl> masked{"IM", 31};
    static constexpr Field<FaultEventControl> pending{"IP", 30};
    static constexpr auto fields = hw::list(masked, pending);
};

struct ProtectedEnable : Register<std::uint32_t, 0x064> {
    static constexpr const char* name = "PMEN";
    static constexpr Field<ProtectedEnable> enable{"EPM", 31};
    static constexpr Field<ProtectedEnable> status{"PRS", 0};
    static constexpr auto fields = hw::list(enable, status);
};

struct ProtectedLowBase : Register<std::uint32_t, 0x068> {
    static constexpr const char* name = "PLMBASE";
    static constexpr Field<ProtectedLowBase> address{"PLMB", 31, 0};
    static constexpr auto fields = hw::list(address);
};
struct ProtectedLowLimit : Register<std::uint32_t, 0x06c> {
    static constexpr const char* name = "PLMLIMIT";
    static constexpr Field<ProtectedLowLimit> address{"PLML", 31, 0};
    static constexpr auto fields = hw::list(address);
};
struct ProtectedHighBase : Register<std::uint64_t, 0x070> {
    static constexpr const char* name = "PHMBASE";
    static constexpr Field<ProtectedHighBase> address{"PHMB", 63, 0};
    static constexpr auto fields = hw::list(address);
};
struct ProtectedHighLimit : Register<std::uint64_t, 0x078> {
    static constexpr const char* name = "PHMLIMIT";
    static constexpr Field<ProtectedHighLimit> address{"PHML", 63, 0};
    static constexpr auto fields = hw::list(address);
};

struct QueueHead : Register<std::uint64_t, 0x080> {
    static constexpr const char* name = "IQH";
    static constexpr Field<QueueHead> index{"QH", 18, 4};  // in units of 16 bytes
    static constexpr auto fields = hw::list(index);
};
struct QueueTail : Register<std::uint64_t, 0x088> {
    static constexpr const char* name = "IQT";
    static constexpr Field<QueueTail> index{"QT", 18, 4};
    static constexpr auto fields = hw::list(index);
};
struct QueueAddress : Register<std::uint64_t, 0x090> {
    static constexpr const char* name = "IQA";
    static constexpr Field<QueueAddress> address{"IQA", 63, 12};
    static constexpr Field<QueueAddress> wide{"DW", 11};
    static constexpr Field<QueueAddress> size{"QS", 2, 0};
    static constexpr auto fields = hw::list(address, wide, size);
};

struct QueueEventControl : Register<std::uint32_t, 0x0a0> {
    static constexpr const char* name = "IECTL";
    static constexpr Field<QueueEventControl> masked{"IM", 31};
    static constexpr Field<QueueEventControl> pending{"IP", 30};
    static constexpr auto fields = hw::list(masked, pending);
};

struct InterruptTable : Register<std::uint64_t, 0x0b8> {
    static constexpr const char* name = "IRTA";
    static constexpr Field<InterruptTable> address{"IRTA", 63, 12};
    static constexpr Field<InterruptTable> extended{"EIME", 11};
    static constexpr Field<InterruptTable> size{"S", 3, 0};
    static constexpr auto fields = hw::list(address, extended, size);
};

// At ECAP.IRO.
struct InvalidateAddress : Register<std::uint64_t, 0x0> {
    static constexpr const char* name = "IVA";
    static constexpr Field<InvalidateAddress> address{"ADDR", 63, 12};
    static constexpr Field<InvalidateAddress> leaf_only{"IH", 6};
    static constexpr Field<InvalidateAddress> address_mask{"AM", 5, 0};
    static constexpr auto fields = hw::list(address, leaf_only, address_mask);
};
struct InvalidateTranslations : Register<std::uint64_t, 0x8> {
    static constexpr const char* name = "IOTLB";
    static constexpr Field<InvalidateTranslations> busy{"IVT", 63};
    static constexpr Field<InvalidateTranslations> granularity{"IIRG", 61, 60};
    static constexpr Field<InvalidateTranslations> actual{"IAIG", 58, 57};
    static constexpr Field<InvalidateTranslations> drain_reads{"DR", 49};
    static constexpr Field<InvalidateTranslations> drain_writes{"DW", 48};
    static constexpr Field<InvalidateTranslations> domain{"DID", 47, 32};
    static constexpr auto fields =
        hw::list(busy, granularity, actual, drain_reads, drain_writes, domain);
};

// At CAP.FRO, one after the other.
struct FaultRecordLow : Register<std::uint64_t, 0x0> {
    static constexpr const char* name = "FRCD.low";
    static constexpr Field<FaultRecordLow> page{"FI", 63, 12};
    static constexpr auto fields = hw::list(page);
};
struct FaultRecordHigh : Register<std::uint64_t, 0x8> {
    static constexpr const char* name = "FRCD.high";
    static constexpr Field<FaultRecordHigh> fault{"F", 63};
    static constexpr Field<FaultRecordHigh> type_1{"T1", 62};
    static constexpr Field<FaultRecordHigh> address_type{"AT", 61, 60};
    static constexpr Field<FaultRecordHigh> pasid{"PV", 59, 40};
    static constexpr Field<FaultRecordHigh> reason{"FR", 39, 32};
    static constexpr Field<FaultRecordHigh> pasid_present{"PP", 31};
    static constexpr Field<FaultRecordHigh> execute{"EXE", 30};
    static constexpr Field<FaultRecordHigh> privileged{"PRIV", 29};
    static constexpr Field<FaultRecordHigh> type_2{"T2", 28};
    static constexpr Field<FaultRecordHigh> source{"SID", 15, 0};
    static constexpr auto fields = hw::list(fault, type_1, address_type, pasid, reason,
                                            pasid_present, execute, privileged, type_2, source);
};
// The top dword again: where a record is looked at first and cleared by writing 1.
struct FaultRecordTop : Register<std::uint32_t, 0xc> {
    static constexpr const char* name = "FRCD.top";
    static constexpr Field<FaultRecordTop> fault{"F", 31};
    static constexpr auto fields = hw::list(fault);
};
inline constexpr std::uint64_t fault_record_bytes = 16;

}  // namespace smmu::units::vtd
