// SPDX-License-Identifier: Apache-2.0
// The registers of an SMMUv2 that this driver uses (Arm IHI 0062). Names in quotes are the
// manual's. Three kinds of pages hold them: the two global ones, and one for each context bank.
// Where pages lie: Hardware.
#pragma once

#include "hw/register.hpp"

namespace smmu::units::smmuv2 {

using hw::Field;
using hw::Register;

// Pages of the first global space are at least this large: all that identifies a unit.
inline constexpr std::uint64_t smallest_page = 0x1000;

// First global space.

struct Control : Register<std::uint32_t, 0x000> {
    static constexpr const char* name = "sCR0";
    static constexpr Field<Control> clients_bypass{"CLIENTPD", 0};
    static constexpr Field<Control> aborts_faults{"GFRE", 1};
    static constexpr Field<Control> fault_interrupt{"GFIE", 2};
    static constexpr Field<Control> extended_ids{"EXIDENABLE", 3};
    static constexpr Field<Control> aborts_configuration_faults{"GCFGFRE", 4};
    static constexpr Field<Control> configuration_fault_interrupt{"GCFGFIE", 5};
    static constexpr Field<Control> never_stalls{"STALLD", 8};
    static constexpr Field<Control> stalls_all{"GSE", 9};
    static constexpr Field<Control> unknown_fault{"USFCFG", 10};
    static constexpr Field<Control> private_vmids{"VMIDPNE", 11};
    static constexpr Field<Control> private_maintenance{"PTM", 12};
    static constexpr Field<Control> conflicts_fault{"SMCFCFG", 21};
    static constexpr Field<Control> wide_vmids{"VMID16EN", 31};
    static constexpr auto fields = hw::list(
        clients_bypass, aborts_faults, fault_interrupt, extended_ids, aborts_configuration_faults,
        configuration_fault_interrupt, never_stalls, stalls_all, unknown_fault, private_vmids,
        private_maintenance, conflicts_fault, wide_vmids);
};

// Implementation defined; these are MMU-500's.
struct Auxiliary : Register<std::uint32_t, 0x010> {
    static constexpr const char* name = "sACR";
    static constexpr Field<Auxiliary> caches_unmatched{"SMTNMB_TLBEN", 8};
    static constexpr Field<Auxiliary> caches_bypasses{"S2CRB_TLBEN", 10};
    static constexpr Field<Auxiliary> cache_lock{"CACHE_LOCK", 26};
    static constexpr auto fields = hw::list(caches_unmatched, caches_bypasses, cache_lock);
};

struct Idr0 : Register<std::uint32_t, 0x020> {
    static constexpr const char* name = "IDR0";
    static constexpr Field<Idr0> match_registers{"NUMSMRG", 7, 0};
    static constexpr Field<Idr0> extended_ids{"EXIDS", 8};
    static constexpr Field<Idr0> stream_bits{"NUMSIDB", 12, 9};
    static constexpr Field<Idr0> coherent{"CTTW", 14};
    static constexpr Field<Idr0> stream_matching{"SMS", 27};
    static constexpr Field<Idr0> nested{"NTS", 28};
    static constexpr Field<Idr0> stage2{"S2TS", 29};
    static constexpr Field<Idr0> stage1{"S1TS", 30};
    static constexpr auto fields = hw::list(match_registers, extended_ids, stream_bits, coherent,
                                            stream_matching, nested, stage2, stage1);
};

struct Idr1 : Register<std::uint32_t, 0x024> {
    static constexpr const char* name = "IDR1";
    static constexpr Field<Idr1> banks{"NUMCB", 7, 0};
    static constexpr Field<Idr1> detects_conflicts{"SMCD", 15};
    static constexpr Field<Idr1> stage2_banks{"NUMS2CB", 23, 16};
    static constexpr Field<Idr1> page_index_bits{"NUMPAGENDXB", 30, 28};
    static constexpr Field<Idr1> large_pages{"PAGESIZE", 31};
    static constexpr auto fields =
        hw::list(banks, detects_conflicts, stage2_banks, page_index_bits, large_pages);
};

struct Idr2 : Register<std::uint32_t, 0x028> {
    static constexpr const char* name = "IDR2";
    static constexpr Field<Idr2> input_size{"IAS", 3, 0};
    static constexpr Field<Idr2> output_size{"OAS", 7, 4};
    static constexpr Field<Idr2> upstream_size{"UBS", 11, 8};
    static constexpr Field<Idr2> granule_4k{"PTFSv8_4kB", 12};
    static constexpr auto fields = hw::list(input_size, output_size, upstream_size, granule_4k);
};

struct Idr7 : Register<std::uint32_t, 0x03c> {
    static constexpr const char* name = "IDR7";
    static constexpr Field<Idr7> minor{"MINOR", 3, 0};
    static constexpr Field<Idr7> major{"MAJOR", 7, 4};
    static constexpr auto fields = hw::list(minor, major);
};

struct GlobalFaultAddress : Register<std::uint64_t, 0x040> {
    static constexpr const char* name = "sGFAR";
    static constexpr Field<GlobalFaultAddress> address{"FADDR", 63, 0};
    static constexpr auto fields = hw::list(address);
};

// Writing ones clears.
struct GlobalFault : Register<std::uint32_t, 0x048> {
    static constexpr const char* name = "sGFSR";
    static constexpr Field<GlobalFault> invalid_context{"ICF", 0};
    static constexpr Field<GlobalFault> unidentified_stream{"USF", 1};
    static constexpr Field<GlobalFault> match_conflict{"SMCF", 2};
    static constexpr Field<GlobalFault> no_such_bank{"UCBF", 3};
    static constexpr Field<GlobalFault> no_such_interrupt{"UCIF", 4};
    static constexpr Field<GlobalFault> configuration_access{"CAF", 5};
    static constexpr Field<GlobalFault> external{"EF", 6};
    static constexpr Field<GlobalFault> permission{"PF", 7};
    static constexpr Field<GlobalFault> unsupported{"UUT", 8};
    static constexpr Field<GlobalFault> several{"MULTI", 31};
    static constexpr auto fields = hw::list(invalid_context, unidentified_stream, match_conflict,
                                            no_such_bank, no_such_interrupt, configuration_access,
                                            external, permission, unsupported, several);
};

struct GlobalFaultKind : Register<std::uint32_t, 0x050> {
    static constexpr const char* name = "sGFSYNR0";
    static constexpr Field<GlobalFaultKind> write{"WNR", 1};
    static constexpr Field<GlobalFaultKind> instruction{"IND", 3};
    static constexpr auto fields = hw::list(write, instruction);
};

struct GlobalFaultStream : Register<std::uint32_t, 0x054> {
    static constexpr const char* name = "sGFSYNR1";
    static constexpr Field<GlobalFaultStream> stream{"StreamID", 15, 0};
    static constexpr auto fields = hw::list(stream);
};

struct ForgetVmid : Register<std::uint32_t, 0x064> {
    static constexpr const char* name = "TLBIVMID";
    static constexpr Field<ForgetVmid> vmid{"VMID", 15, 0};
    static constexpr auto fields = hw::list(vmid);
};

// Registers of which any write does the same. Some firmware ignores a zero.
template <std::uint64_t Offset>
struct AnyWrite : Register<std::uint32_t, Offset> {
    static constexpr Field<AnyWrite> any{"", 31, 0};
    static constexpr auto fields = hw::list(any);
    static constexpr hw::Bits<AnyWrite> value{~std::uint32_t{0}};
};
using ForgetAllClients = AnyWrite<0x068>;     // TLBIALLNSNH
using ForgetAllHypervisor = AnyWrite<0x06c>;  // TLBIALLH
using StartGlobalSync = AnyWrite<0x070>;      // sTLBGSYNC

struct GlobalSyncStatus : Register<std::uint32_t, 0x074> {
    static constexpr const char* name = "sTLBGSTATUS";
    static constexpr Field<GlobalSyncStatus> active{"GSACTIVE", 0};
    static constexpr auto fields = hw::list(active);
};

// One of each for every stream group; base: 4 * group. With extended ids the upper half is all
// mask.
struct Match : Register<std::uint32_t, 0x800> {
    static constexpr const char* name = "SMR";
    static constexpr Field<Match> stream{"ID", 14, 0};
    static constexpr Field<Match> mask{"MASK", 30, 16};
    static constexpr Field<Match> valid{"VALID", 31};
    static constexpr auto fields = hw::list(stream, mask, valid);
};
struct ExtendedMatch : Register<std::uint32_t, 0x800> {
    static constexpr const char* name = "SMR";
    static constexpr Field<ExtendedMatch> stream{"ID", 15, 0};
    static constexpr Field<ExtendedMatch> mask{"MASK", 31, 16};
    static constexpr auto fields = hw::list(stream, mask);
};
struct StreamToContext : Register<std::uint32_t, 0xc00> {
    static constexpr const char* name = "S2CR";
    static constexpr Field<StreamToContext> bank{"CBNDX", 7, 0};
    static constexpr Field<StreamToContext> extended_valid{"EXIDVALID", 10};
    static constexpr Field<StreamToContext> type{"TYPE", 17, 16};
    static constexpr auto fields = hw::list(bank, extended_valid, type);
};
enum class StreamType : std::uint8_t { translate = 0, bypass = 1, fault = 2 };

// Second global space; base: its page + 4 * bank.

struct BankAttributes : Register<std::uint32_t, 0x000> {
    static constexpr const char* name = "CBAR";
    static constexpr Field<BankAttributes> vmid{"VMID", 7, 0};
    static constexpr Field<BankAttributes> shareability{"BPSHCFG", 9, 8};
    static constexpr Field<BankAttributes> memory{"MemAttr", 15, 12};
    static constexpr Field<BankAttributes> type{"TYPE", 17, 16};
    static constexpr auto fields = hw::list(vmid, shareability, memory, type);
};
struct FaultingStream : Register<std::uint32_t, 0x400> {
    static constexpr const char* name = "CBFRSYNRA";
    static constexpr Field<FaultingStream> stream{"StreamID", 15, 0};
    static constexpr auto fields = hw::list(stream);
};
struct BankFormat : Register<std::uint32_t, 0x800> {
    static constexpr const char* name = "CBA2R";
    static constexpr Field<BankFormat> aarch64{"VA64", 0};
    static constexpr auto fields = hw::list(aarch64);
};

// A context bank; base: its page.

struct BankControl : Register<std::uint32_t, 0x000> {
    static constexpr const char* name = "SCTLR";
    static constexpr Field<BankControl> translates{"M", 0};
    static constexpr Field<BankControl> remaps_types{"TRE", 1};
    static constexpr Field<BankControl> access_flag{"AFE", 2};
    static constexpr Field<BankControl> aborts_faults{"CFRE", 5};
    static constexpr Field<BankControl> fault_interrupt{"CFIE", 6};
    static constexpr Field<BankControl> stalls_faults{"CFCFG", 7};
    static constexpr Field<BankControl> goes_on_after_fault{"HUPCF", 8};
    static constexpr Field<BankControl> private_asids{"ASIDPNE", 12};
    static constexpr auto fields =
        hw::list(translates, remaps_types, access_flag, aborts_faults, fault_interrupt,
                 stalls_faults, goes_on_after_fault, private_asids);
};
// Implementation defined; MMU-500's.
struct BankAuxiliary : Register<std::uint32_t, 0x004> {
    static constexpr const char* name = "ACTLR";
    static constexpr Field<BankAuxiliary> prefetches{"CPRE", 1};
    static constexpr auto fields = hw::list(prefetches);
};
struct BankSizes : Register<std::uint32_t, 0x010> {
    static constexpr const char* name = "TCR2";
    static constexpr Field<BankSizes> output_size{"PASize", 2, 0};
    static constexpr Field<BankSizes> sign_bit{"SEP", 17, 15};
    static constexpr auto fields = hw::list(output_size, sign_bit);
};
struct TableBase : Register<std::uint64_t, 0x020> {
    static constexpr const char* name = "TTBR0";
    static constexpr Field<TableBase> address{"ADDRESS", 47, 0};
    static constexpr Field<TableBase> asid{"ASID", 63, 48};
    static constexpr auto fields = hw::list(address, asid);
};
struct UpperTableBase : Register<std::uint64_t, 0x028> {
    static constexpr const char* name = "TTBR1";
    static constexpr Field<UpperTableBase> address{"ADDRESS", 63, 0};
    static constexpr auto fields = hw::list(address);
};
// TCR means different things by the stage of its bank.
struct WalkStage1 : Register<std::uint32_t, 0x030> {
    static constexpr const char* name = "TCR";
    static constexpr Field<WalkStage1> input_size{"T0SZ", 5, 0};
    static constexpr Field<WalkStage1> inner{"IRGN0", 9, 8};
    static constexpr Field<WalkStage1> outer{"ORGN0", 11, 10};
    static constexpr Field<WalkStage1> shareability{"SH0", 13, 12};
    static constexpr Field<WalkStage1> upper_half_off{"EPD1", 23};
    static constexpr auto fields = hw::list(input_size, inner, outer, shareability, upper_half_off);
};
struct WalkStage2 : Register<std::uint32_t, 0x030> {
    static constexpr const char* name = "TCR";
    static constexpr Field<WalkStage2> input_size{"T0SZ", 5, 0};
    static constexpr Field<WalkStage2> start_level{"SL0", 7, 6};
    static constexpr Field<WalkStage2> inner{"IRGN0", 9, 8};
    static constexpr Field<WalkStage2> outer{"ORGN0", 11, 10};
    static constexpr Field<WalkStage2> shareability{"SH0", 13, 12};
    static constexpr Field<WalkStage2> output_size{"PASize", 18, 16};
    static constexpr Field<WalkStage2> always_one{"EAE", 31};
    static constexpr auto fields =
        hw::list(input_size, start_level, inner, outer, shareability, output_size, always_one);
};
struct MemoryTypes : Register<std::uint32_t, 0x038> {
    static constexpr const char* name = "MAIR0";
    static constexpr Field<MemoryTypes> first{"Attr0", 7, 0};
    static constexpr Field<MemoryTypes> second{"Attr1", 15, 8};
    static constexpr Field<MemoryTypes> third{"Attr2", 23, 16};
    static constexpr Field<MemoryTypes> fourth{"Attr3", 31, 24};
    static constexpr auto fields = hw::list(first, second, third, fourth);
};
struct MoreMemoryTypes : Register<std::uint32_t, 0x03c> {
    static constexpr const char* name = "MAIR1";
    static constexpr Field<MoreMemoryTypes> all{"Attr4-7", 31, 0};
    static constexpr auto fields = hw::list(all);
};
struct Resume : Register<std::uint32_t, 0x008> {
    static constexpr const char* name = "RESUME";
    static constexpr Field<Resume> terminate{"TnR", 0};
    static constexpr auto fields = hw::list(terminate);
};
// Writing ones clears.
struct BankFault : Register<std::uint32_t, 0x058> {
    static constexpr const char* name = "FSR";
    static constexpr Field<BankFault> translation{"TF", 1};
    static constexpr Field<BankFault> access_flag{"AFF", 2};
    static constexpr Field<BankFault> permission{"PF", 3};
    static constexpr Field<BankFault> external{"EF", 4};
    static constexpr Field<BankFault> match_conflict{"TLBMCF", 5};
    static constexpr Field<BankFault> lock{"TLBLKF", 6};
    static constexpr Field<BankFault> address_size{"ASF", 7};
    static constexpr Field<BankFault> unsupported{"UUT", 8};
    static constexpr Field<BankFault> stalled{"SS", 30};
    static constexpr Field<BankFault> several{"MULTI", 31};
    static constexpr auto fields =
        hw::list(translation, access_flag, permission, external, match_conflict, lock, address_size,
                 unsupported, stalled, several);
};
struct BankFaultAddress : Register<std::uint64_t, 0x060> {
    static constexpr const char* name = "FAR";
    static constexpr Field<BankFaultAddress> address{"FADDR", 63, 0};
    static constexpr auto fields = hw::list(address);
};
struct BankFaultKind : Register<std::uint32_t, 0x068> {
    static constexpr const char* name = "FSYNR0";
    static constexpr Field<BankFaultKind> write{"WNR", 4};
    static constexpr Field<BankFaultKind> instruction{"IND", 6};
    static constexpr Field<BankFaultKind> of_walk{"PTWF", 10};
    static constexpr auto fields = hw::list(write, instruction, of_walk);
};
struct ForgetAsid : Register<std::uint32_t, 0x610> {
    static constexpr const char* name = "TLBIASID";
    static constexpr Field<ForgetAsid> asid{"ASID", 15, 0};
    static constexpr auto fields = hw::list(asid);
};
struct ForgetLeafStage1 : Register<std::uint64_t, 0x620> {
    static constexpr const char* name = "TLBIVAL";
    static constexpr Field<ForgetLeafStage1> page{"VA", 43, 0};
    static constexpr Field<ForgetLeafStage1> asid{"ASID", 63, 48};
    static constexpr auto fields = hw::list(page, asid);
};
struct ForgetLeafStage2 : Register<std::uint64_t, 0x638> {
    static constexpr const char* name = "TLBIIPAS2L";
    static constexpr Field<ForgetLeafStage2> page{"IPA", 35, 0};
    static constexpr auto fields = hw::list(page);
};
using StartBankSync = AnyWrite<0x7f0>;  // TLBSYNC

struct BankSyncStatus : Register<std::uint32_t, 0x7f4> {
    static constexpr const char* name = "TLBSTATUS";
    static constexpr Field<BankSyncStatus> active{"SACTIVE", 0};
    static constexpr auto fields = hw::list(active);
};

}  // namespace smmu::units::smmuv2
