// SPDX-License-Identifier: Apache-2.0
// The registers of an SMMUv3 that this driver uses (Arm IHI 0070, chapter 6). Names in quotes are the manual's.
#pragma once

#include "hw/register.hpp"

namespace smmu::units::smmuv3 {

using hw::Field;
using hw::Register;

// Two pages: the second one holds the indices of the event queue.
inline constexpr std::uint64_t register_bytes = 0x2'0000;

struct Idr0 : Register<std::uint32_t, 0x000> {
    static constexpr const char* name = "IDR0";
    static constexpr Field<Idr0> stage2{"S2P", 0};
    static constexpr Field<Idr0> stage1{"S1P", 1};
    static constexpr Field<Idr0> table_formats{"TTF", 3, 2};
    static constexpr Field<Idr0> coherent{"COHACC", 4};
    static constexpr Field<Idr0> hypervisor{"HYP", 9};
    static constexpr Field<Idr0> device_caches{"ATS", 10};
    static constexpr Field<Idr0> wide_asids{"ASID16", 12};
    static constexpr Field<Idr0> wide_vmids{"VMID16", 18};
    static constexpr Field<Idr0> endianness{"TTENDIAN", 22, 21};
    static constexpr Field<Idr0> stall_model{"STALL_MODEL", 25, 24};
    static constexpr Field<Idr0> aborts_only{"TERM_MODEL", 26};
    static constexpr Field<Idr0> stream_table_levels{"ST_LEVEL", 28, 27};
    static constexpr auto fields = hw::list(stage2, stage1, table_formats, coherent, hypervisor, device_caches, wide_asids,
                                            wide_vmids, endianness, stall_model, aborts_only, stream_table_levels);
};

struct Idr1 : Register<std::uint32_t, 0x004> {
    static constexpr const char* name = "IDR1";
    static constexpr Field<Idr1> stream_bits{"SIDSIZE", 5, 0};
    static constexpr Field<Idr1> event_queue_log2{"EVENTQS", 20, 16};
    static constexpr Field<Idr1> command_queue_log2{"CMDQS", 25, 21};
    static constexpr Field<Idr1> overrides_types{"ATTR_TYPES_OVR", 27};
    static constexpr Field<Idr1> relative{"REL", 28};
    static constexpr Field<Idr1> queues_preset{"QUEUES_PRESET", 29};
    static constexpr Field<Idr1> tables_preset{"TABLES_PRESET", 30};
    static constexpr auto fields = hw::list(stream_bits, event_queue_log2, command_queue_log2, overrides_types, relative,
                                            queues_preset, tables_preset);
};

struct Idr3 : Register<std::uint32_t, 0x00c> {
    static constexpr const char* name = "IDR3";
    static constexpr Field<Idr3> range_invalidation{"RIL", 10};
    static constexpr Field<Idr3> break_before_make_level{"BBML", 12, 11};
    static constexpr auto fields = hw::list(range_invalidation, break_before_make_level);
};

struct Idr5 : Register<std::uint32_t, 0x014> {
    static constexpr const char* name = "IDR5";
    static constexpr Field<Idr5> output_size{"OAS", 2, 0};
    static constexpr Field<Idr5> granule_4k{"GRAN4K", 4};
    static constexpr Field<Idr5> granule_16k{"GRAN16K", 5};
    static constexpr Field<Idr5> granule_64k{"GRAN64K", 6};
    static constexpr auto fields = hw::list(output_size, granule_4k, granule_16k, granule_64k);
};

struct Iidr : Register<std::uint32_t, 0x018> {
    static constexpr const char* name = "IIDR";
    static constexpr Field<Iidr> product{"ProductID", 31, 20};
    static constexpr Field<Iidr> variant{"Variant", 19, 16};
    static constexpr Field<Iidr> revision{"Revision", 15, 12};
    static constexpr Field<Iidr> implementer{"Implementer", 11, 0};
    static constexpr auto fields = hw::list(product, variant, revision, implementer);
};

struct Aidr : Register<std::uint32_t, 0x01c> {
    static constexpr const char* name = "AIDR";
    static constexpr Field<Aidr> major{"ArchMajorRev", 7, 4};
    static constexpr Field<Aidr> minor{"ArchMinorRev", 3, 0};
    static constexpr auto fields = hw::list(major, minor);
};

// CR0 and its mirror: a field has taken effect when the mirror shows it.
template <class Self>
struct ControlFields {
    static constexpr Field<Self> enabled{"SMMUEN", 0};
    static constexpr Field<Self> page_request_queue{"PRIQEN", 1};
    static constexpr Field<Self> event_queue{"EVENTQEN", 2};
    static constexpr Field<Self> command_queue{"CMDQEN", 3};
    static constexpr Field<Self> checks_translated{"ATSCHK", 4};
    static constexpr auto fields = hw::list(enabled, page_request_queue, event_queue, command_queue, checks_translated);
};
struct Control : Register<std::uint32_t, 0x020>, ControlFields<Control> {
    static constexpr const char* name = "CR0";
};
struct ControlDone : Register<std::uint32_t, 0x024>, ControlFields<ControlDone> {
    static constexpr const char* name = "CR0ACK";
};

struct TableAttributes : Register<std::uint32_t, 0x028> {
    static constexpr const char* name = "CR1";
    static constexpr Field<TableAttributes> table_shareability{"TABLE_SH", 11, 10};
    static constexpr Field<TableAttributes> table_outer{"TABLE_OC", 9, 8};
    static constexpr Field<TableAttributes> table_inner{"TABLE_IC", 7, 6};
    static constexpr Field<TableAttributes> queue_shareability{"QUEUE_SH", 5, 4};
    static constexpr Field<TableAttributes> queue_outer{"QUEUE_OC", 3, 2};
    static constexpr Field<TableAttributes> queue_inner{"QUEUE_IC", 1, 0};
    static constexpr auto fields =
        hw::list(table_shareability, table_outer, table_inner, queue_shareability, queue_outer, queue_inner);
};

struct Control2 : Register<std::uint32_t, 0x02c> {
    static constexpr const char* name = "CR2";
    static constexpr Field<Control2> private_maintenance{"PTM", 2};
    static constexpr Field<Control2> records_bad_streams{"RECINVSID", 1};
    static constexpr auto fields = hw::list(private_maintenance, records_bad_streams);
};

// What becomes of DMA while the unit is off.
struct Bypass : Register<std::uint32_t, 0x044> {
    static constexpr const char* name = "GBPA";
    static constexpr Field<Bypass> update{"Update", 31};
    static constexpr Field<Bypass> abort{"ABORT", 20};
    static constexpr auto fields = hw::list(update, abort);
};

template <class Self>
struct InterruptFields {
    static constexpr Field<Self> events{"EVENTQ_IRQEN", 2};
    static constexpr Field<Self> page_requests{"PRIQ_IRQEN", 1};
    static constexpr Field<Self> errors{"GERROR_IRQEN", 0};
    static constexpr auto fields = hw::list(events, page_requests, errors);
};
struct Interrupts : Register<std::uint32_t, 0x050>, InterruptFields<Interrupts> {
    static constexpr const char* name = "IRQ_CTRL";
};
struct InterruptsDone : Register<std::uint32_t, 0x054>, InterruptFields<InterruptsDone> {
    static constexpr const char* name = "IRQ_CTRLACK";
};

// An error is active while its bits in the two registers differ.
template <class Self>
struct ErrorFields {
    static constexpr Field<Self> service_failure{"SFM_ERR", 8};
    static constexpr Field<Self> event_write{"EVENTQ_ABT_ERR", 2};
    static constexpr Field<Self> command{"CMDQ_ERR", 0};
    static constexpr auto fields = hw::list(service_failure, event_write, command);
};
struct Errors : Register<std::uint32_t, 0x060>, ErrorFields<Errors> {
    static constexpr const char* name = "GERROR";
};
struct ErrorsSeen : Register<std::uint32_t, 0x064>, ErrorFields<ErrorsSeen> {
    static constexpr const char* name = "GERRORN";
};

struct StreamTableBase : Register<std::uint64_t, 0x080> {
    static constexpr const char* name = "STRTAB_BASE";
    static constexpr Field<StreamTableBase> read_allocate{"RA", 62};
    static constexpr Field<StreamTableBase> address{"ADDR", 51, 6};
    static constexpr auto fields = hw::list(read_allocate, address);
};

struct StreamTableShape : Register<std::uint32_t, 0x088> {
    static constexpr const char* name = "STRTAB_BASE_CFG";
    static constexpr Field<StreamTableShape> format{"FMT", 17, 16};
    static constexpr Field<StreamTableShape> split{"SPLIT", 10, 6};
    static constexpr Field<StreamTableShape> streams_log2{"LOG2SIZE", 5, 0};
    static constexpr auto fields = hw::list(format, split, streams_log2);
};

template <class Self>
struct QueueBaseFields {
    static constexpr Field<Self> allocate{"RA/WA", 62};
    static constexpr Field<Self> address{"ADDR", 51, 5};
    static constexpr Field<Self> entries_log2{"LOG2SIZE", 4, 0};
    static constexpr auto fields = hw::list(allocate, address, entries_log2);
};
struct CommandQueueBase : Register<std::uint64_t, 0x090>, QueueBaseFields<CommandQueueBase> {
    static constexpr const char* name = "CMDQ_BASE";
};
struct EventQueueBase : Register<std::uint64_t, 0x0a0>, QueueBaseFields<EventQueueBase> {
    static constexpr const char* name = "EVENTQ_BASE";
};

struct CommandTail : Register<std::uint32_t, 0x098> {
    static constexpr const char* name = "CMDQ_PROD";
    static constexpr Field<CommandTail> position{"WR", 19, 0};
    static constexpr auto fields = hw::list(position);
};
struct CommandHead : Register<std::uint32_t, 0x09c> {
    static constexpr const char* name = "CMDQ_CONS";
    static constexpr Field<CommandHead> error{"ERR", 30, 24};
    static constexpr Field<CommandHead> position{"RD", 19, 0};
    static constexpr auto fields = hw::list(error, position);
};
struct EventTail : Register<std::uint32_t, 0x100a8> {
    static constexpr const char* name = "EVENTQ_PROD";
    static constexpr Field<EventTail> overflow{"OVFLG", 31};
    static constexpr Field<EventTail> position{"WR", 19, 0};
    static constexpr auto fields = hw::list(overflow, position);
};
struct EventHead : Register<std::uint32_t, 0x100ac> {
    static constexpr const char* name = "EVENTQ_CONS";
    static constexpr Field<EventHead> overflow_seen{"OVACKFLG", 31};
    static constexpr Field<EventHead> position{"RD", 19, 0};
    static constexpr auto fields = hw::list(overflow_seen, position);
};

}  // namespace smmu::units::smmuv3
